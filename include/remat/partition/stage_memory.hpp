// SPDX-License-Identifier: MIT
/// What a rank holds that has one stage, whose micro-batches all make the same choice: what the search of its budget
/// asks. Its plans are those of the first micro-batch; those of other sizes, or of another backward pass, have plans of
/// their own.
#pragma once

#include <remat/partition/rank_holdings.hpp>
#include <remat/partition/stage_ways.hpp>
#include <remat/plan/rank_memory.hpp>
#include <remat/plan/segment.hpp>

#include <array>
#include <cstddef>
#include <memory>
#include <span>

namespace remat {

/// What budgets have computed again in a plan, in preorder.
inline core::list<chosen_range> chosen_in(const plan& made) {
  core::list<chosen_range> found;
  for (const segment& each : made.segments)
    if (each.is_chosen) found.push_back({each.first, each.last, each.staying});
  return found;
}

class stage_memory final : public rank_memory {
 public:
  /// `rank` and `stage` must outlive it.
  stage_memory(const rank_holdings& rank, detail::stage_ways& stage, int microbatches)
      : rank_(&rank), stage_(&stage), microbatches_(microbatches) {}

  std::size_t activations(const plan& made) const override { return rank_->activations(laid_out(made).all()); }
  std::size_t bytes_with(const plan& made) const override {
    const held_plans held = laid_out(made);
    return rank_->bytes_with(rank_->activations(held.all()), held.all());
  }
  std::size_t least_with(std::size_t activation_bytes) const override { return rank_->least_with(activation_bytes); }

 private:
  struct held_plans {
    laid_out_stage stage;
    std::array<std::unique_ptr<const plan>, detail::stage_ways::most_kinds> others = {};

    std::span<const laid_out_stage> all() const { return {&stage, 1}; }
  };
  held_plans laid_out(const plan& made) const {
    held_plans held{{stage_->number(), {}}};
    const budget_choice choice{0, chosen_in(made), 0, made.on_disk};
    for (int m = 0; m < microbatches_; ++m) {
      const std::size_t kind = stage_->number_of_kind(m);
      std::unique_ptr<const plan>& other = held.others[kind];
      const bool is_like_first = kind == stage_->number_of_kind(0);
      if (!is_like_first && !other) other = std::make_unique<const plan>(stage_->make(choice, m));
      held.stage.plans.push_back(is_like_first ? &made : other.get());
    }
    return held;
  }

  const rank_holdings* rank_;
  detail::stage_ways* stage_;
  int microbatches_;
};

}  // namespace remat
