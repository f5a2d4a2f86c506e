// SPDX-License-Identifier: MIT
/// What a rank holds that has one stage, whose micro-batches all have the same plan: what the search of its budget asks.
#pragma once

#include <remat/partition/rank_holdings.hpp>
#include <remat/plan/rank_memory.hpp>

#include <array>
#include <cstddef>
#include <utility>
#include <vector>

namespace remat {

class stage_memory final : public rank_memory {
 public:
  /// `rank` must outlive it.
  stage_memory(const rank_holdings& rank, int stage, int microbatches)
      : rank_(&rank), stage_(stage), microbatches_(static_cast<std::size_t>(microbatches)) {}

  std::size_t activations(const plan& made) const override { return rank_->activations(with(made)); }
  std::size_t bytes_with(const plan& made) const override {
    const auto all = with(made);
    return rank_->bytes_with(rank_->activations(all), all);
  }
  std::size_t least_with(std::size_t activation_bytes) const override { return rank_->least_with(activation_bytes); }

 private:
  std::array<laid_out_stage, 1> with(const plan& made) const {
    return {laid_out_stage{stage_, std::vector<const plan*>(microbatches_, &made)}};
  }

  const rank_holdings* rank_;
  int stage_;
  std::size_t microbatches_;
};

}  // namespace remat
