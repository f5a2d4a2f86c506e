// SPDX-License-Identifier: MIT
/// What the plan of a budget promises, in numbers: how long a step takes, how much shorter another schedule could make it,
/// and where memory is lost to placement. (plan/certify.hpp makes it, check/plan_checker.hpp verifies it.)
///
/// Times are seconds where costs were measured, and FLOPs where they are counted.
#pragma once

#include <remat/core/none.hpp>

#include <cstddef>
#include <string>

namespace remat {

/// The parts of a step's predicted time.
struct predicted_time {
  double forward = 0, backward = 0, recomputed = 0;

  constexpr double sum() const { return forward + backward + recomputed; }
};

/// Where placed allocations leave gaps: the region of a plan that loses most to them.
struct fragmentation {
  std::size_t placed_bytes = 0, live_bytes = 0;  ///< of the region; alive at once, at most
  int fullest = core::none;                      ///< the action at which most is alive
  int highest = core::none;                      ///< the first action that uses the end of the region
  std::size_t live_at_highest = 0;               ///< what is alive then
  std::string at_fullest, at_highest;            ///< these actions in words

  std::size_t lost_bytes() const { return placed_bytes - live_bytes; }
};

struct certificate {
  std::size_t limit = 0;       ///< the budget, in bytes
  std::size_t plan_bytes = 0;  ///< what the plan takes of it
  bool is_measured = false;    ///< times are seconds; else FLOPs
  predicted_time time = {};
  double least_recomputed = 0;   ///< no persistent schedule within the bytes computes less again
  double lost_to_placement = 0;  ///< what is computed again since the arena of a faster choice has gaps
  fragmentation memory = {};

  /// No persistent schedule within the bytes is faster.
  double lower_bound() const { return time.forward + time.backward + least_recomputed; }
  /// What the plan takes more than that, as a share of it.
  double gap() const {
    const double more = (time.sum() - lower_bound()) / lower_bound();
    return more > 1e-9 ? more : 0;  // less is of sums in another order
  }
};

}  // namespace remat
