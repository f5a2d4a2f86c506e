// SPDX-License-Identifier: MIT
/// What is chosen for the micro-batches of a stage: which of them computes what again.
#pragma once

#include <remat/plan/budget_choices.hpp>

#include <cstddef>
#include <vector>

namespace remat {

/// What a stage's budgets compute again, micro-batch by micro-batch.
struct stage_choices {
  std::vector<budget_choice> ways = {};  ///< none: the stage has no budget, or one that does not look at the pipeline
  std::vector<int> of_microbatch = {};   ///< which of them

  int number_of(int microbatch) const { return ways.empty() ? 0 : of_microbatch[static_cast<std::size_t>(microbatch)]; }
  /// Of a micro-batch; null where there are none.
  const budget_choice* of(int microbatch) const {
    return ways.empty() ? nullptr : &ways[static_cast<std::size_t>(number_of(microbatch))];
  }
};

/// A training step's micro-batches, of which the first ones may have one sample more.
struct microbatch_sizes {
  std::size_t samples = 1;
  int larger = 0;
};

}  // namespace remat
