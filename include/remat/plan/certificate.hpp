// SPDX-License-Identifier: MIT
/// What the plan of a budget promises, in numbers: how long a step takes, how much shorter another schedule could make
/// it, and where memory is lost to placement. (plan/certify.hpp makes it, check/plan_checker.hpp verifies it.)
///
/// Times are seconds where costs were measured, and FLOPs where they are counted.
#pragma once

#include <remat/core/none.hpp>
#include <remat/core/storage_space.hpp>

#include <cstddef>
#include <limits>
#include <string>

namespace remat {

/// The parts of a step's predicted time.
struct predicted_time {
  double forward = 0, backward = 0, recomputed = 0;
  double waiting = 0;  ///< for transfers to a disk and back

  constexpr double sum() const { return forward + backward + recomputed + waiting; }
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
  bool may_use_disk = false;
  transfer_rate rate = {};   ///< of storages that state none, in bytes a second
  double transferring = 0;   ///< of the time, what goes on next to operations, or is waited for
  double least_on_disk = 0;  ///< no schedule within the bytes is faster that may also use the disk

  /// No persistent schedule within the bytes is faster that keeps all tensors in the arena.
  double lower_bound() const { return time.forward + time.backward + least_recomputed; }
  /// What the plan takes more than that, or than the bound of those that may use the disk where it may, as a share of
  /// it.
  double gap() const {
    const double least = may_use_disk ? least_on_disk : lower_bound();
    const double more = time.sum() - least;
    if (more <= 1e-9 * least) return 0;  // less is of sums in another order
    return least > 0 ? more / least : std::numeric_limits<double>::infinity();
  }
};

}  // namespace remat
