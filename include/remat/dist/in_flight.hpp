// SPDX-License-Identifier: MIT
/// How many micro-batches a stage keeps: those whose forward pass has begun and whose backward pass has not ended.
///
/// Under one_f_one_b stage s of p keeps min(p - s, micro-batches) of them, under gpipe all. It is the number of kept
/// regions in the stage's arena. A schedule without backward passes keeps none.
#pragma once

#include <remat/dist/schedule_table.hpp>

#include <cstddef>

namespace remat {

/// The largest number for each stage. Throws nothing; tasks outside of the table's stages do not count.
constexpr list<int> in_flight(const schedule_table& table) {
  list<int> most(static_cast<std::size_t>(table.stages)), now(static_cast<std::size_t>(table.stages));
  list<char> has_backward(static_cast<std::size_t>(table.stages));
  for (const list<task>& row : table.rows)
    for (const task& t : row) {
      if (t.stage < 0 || t.stage >= table.stages) continue;
      int& count = now[t.stage];
      if (t.kind == task_kind::backward) {
        --count;
        has_backward[t.stage] = 1;
      } else if (++count > most[t.stage]) {
        most[t.stage] = count;
      }
    }
  for (int stage = 0; stage < table.stages; ++stage)
    if (has_backward[stage] == 0) most[stage] = 0;
  return most;
}

constexpr int in_flight(const schedule_table& table, int stage) { return in_flight(table)[stage]; }

}  // namespace remat
