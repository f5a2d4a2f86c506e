// SPDX-License-Identifier: MIT
/// What the ranks of a pipeline do when: the events of a step, simulated (schedule/simulator.hpp) or measured, to be
/// drawn (report/gantt.hpp).
#pragma once

#include <remat/core/list.hpp>

#include <cstdint>
#include <iterator>
#include <string_view>

namespace remat {

enum class activity : std::uint8_t {
  forward,
  recompute,
  backward,
  update,
  copy,
  wait,
  transfer,
  all_reduce,
  backward_parameters
};

/// How an activity is called and drawn.
struct activity_rules {
  std::string_view name;
  const char* colour;
  bool is_task;   ///< a stage does it on a micro-batch
  bool overlaps;  ///< it does not use the rank's processors, and may run while another does
};
inline constexpr activity_rules activity_table[] = {{"forward", "#3b76c4", true, false},
                                                    {"recompute", "#e08a1e", true, false},
                                                    {"backward", "#3a9a5b", true, false},
                                                    {"optimizer", "#7a57b0", false, false},
                                                    {"copy", "#8c6d4f", false, false},
                                                    {"wait", "#dcdcdc", false, false},
                                                    {"transfer", "#17a2b8", false, true},
                                                    {"all-reduce", "#c8385a", false, true},
                                                    {"backward of parameters", "#a3c644", true, false}};
inline constexpr int activities = static_cast<int>(std::size(activity_table));

constexpr const activity_rules& rules_of(activity what) { return activity_table[static_cast<int>(what)]; }
constexpr std::string_view activity_name(activity what) { return rules_of(what).name; }

struct timeline_event {
  int rank = 0;
  activity what = activity::forward;
  int stage = -1, microbatch = -1;  ///< -1 where it is of none
  double begin = 0, end = 0;        ///< in seconds
};

using timeline = core::list<timeline_event>;

}  // namespace remat
