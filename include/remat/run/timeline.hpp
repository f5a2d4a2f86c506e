// SPDX-License-Identifier: MIT
/// What the ranks of a pipeline do when: the events of a step, simulated (dist/simulate.hpp) or measured, to be drawn
/// (report/gantt.hpp).
#pragma once

#include <remat/core/list.hpp>

#include <cstdint>
#include <string_view>

namespace remat {

/// The first six use the rank's processors. The last two may run beside them: then events of a rank overlap.
enum class activity : std::uint8_t { forward, recompute, backward, update, copy, wait, transfer, all_reduce };

inline constexpr int activities = 8;

constexpr std::string_view activity_name(activity what) {
  constexpr std::string_view names[activities] = {"forward", "recompute", "backward", "optimizer",
                                                  "copy",    "wait",      "transfer", "all-reduce"};
  return names[static_cast<int>(what)];
}

struct timeline_event {
  int rank = 0;
  activity what = activity::forward;
  int stage = -1, microbatch = -1;  ///< -1 where it is of none
  double begin = 0, end = 0;        ///< in seconds
};

using timeline = list<timeline_event>;

}  // namespace remat
