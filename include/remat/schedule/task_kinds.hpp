// SPDX-License-Identifier: MIT
/// The kinds of tasks in a schedule, as data: a row for each, which is all that anybody asks of a kind.
///
/// A micro-batch goes through a stage in three passes, each of them once and in this order:
///
/// | pass                  | waits for the same pass of | makes                                                  |
/// |-----------------------|----------------------------|--------------------------------------------------------|
/// | `forward`             | the stage before           | what later stages and the passes below read            |
/// | `backward_input`      | the stage after            | the gradients that go back to earlier stages           |
/// | `backward_parameters` | no other stage             | the gradients of parameters, which accumulate          |
///
/// A task does one of them or several that follow each other. `task_rules` says for each kind which ones, and with that
/// what it waits for, what it sends, which of the memory between passes it fills and frees, and which section of a
/// stage's tape it runs; and how it is called and drawn, and what it costs. A new kind is a row more.
#pragma once

#include <remat/schedule/stage_cost.hpp>
#include <remat/schedule/timeline.hpp>

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string_view>

namespace remat {

enum class pass_kind : std::uint8_t { forward, backward_input, backward_parameters };

struct pass_rules {
  std::string_view name;        ///< in messages
  int awaits = 0;               ///< the stage whose same pass it waits for, from its own: -1, 1, or 0 for none
  double stage_cost::*seconds;  ///< in the simulator
};
inline constexpr pass_rules pass_table[] = {{"forward pass", -1, &stage_cost::forward},
                                            {"backward pass of the inputs", 1, &stage_cost::backward},
                                            {"backward pass of the parameters", 0, &stage_cost::backward_parameters}};

constexpr const pass_rules& rules_of(pass_kind pass) { return pass_table[static_cast<std::size_t>(pass)]; }

enum class task_kind : std::uint8_t { forward, backward, backward_input, backward_parameters };

/// How long a task takes on the nominal clock; at least 1 each.
struct clock_units {
  long forward = 1, backward = 2, backward_input = 1, backward_parameters = 1;
};

struct task_rules {
  std::string_view name;      ///< in CSV files and messages
  char letter;                ///< in grids; PyTorch's
  pass_kind first, last;      ///< the passes that it does
  int section;                ///< of the stage's tape, that it runs
  activity shown;             ///< in timelines and charts
  double rank_times::*spent;  ///< where its seconds count
  long clock_units::*units;   ///< on the nominal clock

  constexpr bool does(pass_kind pass) const { return first <= pass && pass <= last; }
};
inline constexpr task_rules task_table[] = {
    {"forward", 'F', pass_kind::forward, pass_kind::forward, 0, activity::forward, &rank_times::forward,
     &clock_units::forward},
    {"backward", 'B', pass_kind::backward_input, pass_kind::backward_parameters, 1, activity::backward,
     &rank_times::backward, &clock_units::backward},
    {"backward_input", 'I', pass_kind::backward_input, pass_kind::backward_input, 1, activity::backward,
     &rank_times::backward, &clock_units::backward_input},
    {"backward_parameters", 'W', pass_kind::backward_parameters, pass_kind::backward_parameters, 2,
     activity::backward_parameters, &rank_times::backward_parameters, &clock_units::backward_parameters}};

/// Whether a kind is in the table.
constexpr bool is_known(task_kind kind) { return static_cast<std::size_t>(kind) < std::size(task_table); }
/// Of one that is.
constexpr const task_rules& rules_of(task_kind kind) { return task_table[static_cast<std::size_t>(kind)]; }

/// Calls f(pass) for each pass that a task does, in order.
template <class F>
constexpr void each_pass(task_kind kind, const F& f) {
  const task_rules& rules = rules_of(kind);
  for (int p = static_cast<int>(rules.first); p <= static_cast<int>(rules.last); ++p) f(static_cast<pass_kind>(p));
}

/// The pass in which a section of a stage's tape runs, whether or not the schedule halves the stage's backward.
constexpr pass_kind pass_of_section(int section) { return static_cast<pass_kind>(section); }

/// The first kind that does just this pass, or that begins with it: what a message calls a pass that no task does.
constexpr task_kind kind_with(pass_kind pass) {
  std::size_t k = 0;
  while (task_table[k].first != pass) ++k;
  return static_cast<task_kind>(k);
}

}  // namespace remat
