// SPDX-License-Identifier: MIT
/// The arena of a rank that runs the plans of its stages, kernels and all, as pipeline.hpp divides it: for budgets of
/// the whole rank.
#pragma once

#include <remat/partition/rank_holdings.hpp>
#include <remat/run/planned_kernels.hpp>
#include <remat/run/regions.hpp>

#include <algorithm>
#include <cstddef>
#include <optional>
#include <span>
#include <vector>

namespace remat {

class arena_with_kernels final : public rank_arena {
 public:
  /// Of steps in which the first `larger` micro-batches have one sample more. `reserved`: of the arena that there is,
  /// which other pipelines go on using. `others`: what else the rank holds.
  arena_with_kernels(const program& p, const kernel_options& how, int larger, const regions& reserved,
                     std::size_t others)
      : program_(&p), how_(how), larger_(static_cast<std::size_t>(larger)), reserved_(reserved), others_(others) {}

  std::size_t bytes_with(std::size_t activation_bytes, std::span<const laid_out_stage> stages) const override {
    kernel_bytes sum;
    for (const laid_out_stage& each : stages)
      for (const bool is_larger : {true, false}) {
        const std::size_t first = is_larger ? 0 : larger_, last = is_larger ? larger_ : each.plans.size();
        if (first < last) add(sum, std::span(each.plans).subspan(first, last - first), first);
      }
    return others_ + reserved_
                         .with({.activations = activation_bytes,
                                .packed = sum.kept + sum.packed,
                                .scratch = sum.passing - sum.packed})
                         .total();
  }
  std::size_t least_with(std::size_t activation_bytes) const override {
    return others_ + reserved_.with({.activations = activation_bytes}).total();
  }

 private:
  /// Of packed weights that are kept for a step; of what passes in one task, and of that the packed weights.
  struct kernel_bytes {
    std::size_t kept = 0, passing = 0, packed = 0;
  };
  /// Micro-batches of a size, which keep the same packed weights; `number` is that of the first.
  void add(kernel_bytes& sum, std::span<const plan* const> plans, std::size_t number) const {
    std::optional<planned_kernels> first;
    std::vector<const plan*> known;  // and whether they accumulate: all but the step's first micro-batch
    for (std::size_t m = 0; m < plans.size(); ++m) {
      if (std::ranges::find(known, plans[m]) != known.end()) continue;
      if (number + m > 0) known.push_back(plans[m]);
      kernel_options how = how_;
      how.accumulates = number + m > 0;
      plan with_packs = *plans[m];
      planned_kernels kernels(*program_, with_packs, how, first ? &*first : nullptr);
      sum.passing = std::max(sum.passing, kernels.memory().passing_bytes());
      sum.packed = std::max(sum.packed, kernels.memory().packed_bytes() - kernels.memory().step_bytes());
      if (first) continue;
      sum.kept += kernels.memory().step_bytes();
      first.emplace(std::move(kernels));
    }
  }

  const program* program_;
  kernel_options how_;
  std::size_t larger_;
  regions reserved_;
  std::size_t others_;
};

}  // namespace remat
