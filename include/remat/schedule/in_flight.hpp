// SPDX-License-Identifier: MIT
/// How many micro-batches a stage keeps: those whose forward pass has begun and whose backward pass, that of the inputs
/// where the schedule halves it, has not ended.
///
/// Under one_f_one_b stage s of p keeps min(p - s, micro-batches) of them, under gpipe all. It is the number of kept
/// regions in the stage's arena. A schedule without backward passes keeps none. Where backward is halved, what the
/// gradients of parameters read is kept for longer: `between` says of how many micro-batches.
#pragma once

#include <remat/schedule/schedule_table.hpp>

#include <cstddef>
#include <iterator>

namespace remat {

/// The most micro-batches of each stage between two passes: the first has begun, the second has not ended, and they are
/// tasks of their own. Throws nothing; tasks outside of the table's stages do not count.
constexpr core::list<int> between(const schedule_table& table, pass_kind from, pass_kind to) {
  core::list<int> most(static_cast<std::size_t>(table.stages)), now(static_cast<std::size_t>(table.stages));
  core::list<char> ends(static_cast<std::size_t>(table.stages));
  for (const core::list<pipeline_task>& row : table.rows)
    for (const pipeline_task& t : row) {
      if (t.stage < 0 || t.stage >= table.stages || !is_known(t.kind)) continue;
      const task_rules& rules = rules_of(t.kind);
      int& count = now[t.stage];
      if (rules.does(to)) ends[t.stage] = 1;
      if (rules.does(from) == rules.does(to)) continue;
      count += rules.does(from) ? 1 : -1;
      if (count > most[t.stage]) most[t.stage] = count;
    }
  for (int stage = 0; stage < table.stages; ++stage)
    if (ends[stage] == 0) most[stage] = 0;
  return most;
}

/// How many micro-batches each stage keeps.
constexpr core::list<int> in_flight(const schedule_table& table) {
  return between(table, pass_kind::forward, pass_kind::backward_input);
}

constexpr int in_flight(const schedule_table& table, int stage) { return in_flight(table)[stage]; }

/// The same between any two passes, for who asks often.
class passes_in_flight {
 public:
  constexpr explicit passes_in_flight(const schedule_table& table) {
    for (std::size_t from = 0; from < std::size(pass_table); ++from)
      for (std::size_t to = from + 1; to < std::size(pass_table); ++to)
        most_[from][to] = between(table, static_cast<pass_kind>(from), static_cast<pass_kind>(to));
  }
  constexpr int operator()(int stage, pass_kind from, pass_kind to) const {
    return most_[static_cast<std::size_t>(from)][static_cast<std::size_t>(to)][stage];
  }

 private:
  core::list<int> most_[std::size(pass_table)][std::size(pass_table)];
};

}  // namespace remat
