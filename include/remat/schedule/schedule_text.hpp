// SPDX-License-Identifier: MIT
/// A schedule printed as a grid: a line for each rank, a column for each unit of the nominal clock.
///
///     rank 0  F0 F1  .  .  . B0 -- B1 --      forward and backward of a micro-batch; -- goes on, . waits; I and W are
///                                             the halves of backward: of the inputs, and of the parameters
///     rank 1   . F0 B0 -- F1 B1 --  .  .      with several stages on a rank: F0.1 is micro-batch 0 of stage 1
#pragma once

#include <remat/schedule/schedule_clock.hpp>
#include <remat/schedule/schedule_table.hpp>

#include <cstddef>
#include <string>
#include <vector>

namespace remat {

namespace detail {

inline bool has_one_stage(const core::list<pipeline_task>& row) {
  for (const pipeline_task& t : row)
    if (t.stage != row[0].stage) return false;
  return true;
}

inline std::string cell_text(const pipeline_task& t, bool has_stage) {
  return rules_of(t.kind).letter + std::to_string(t.microbatch) + (has_stage ? "." + std::to_string(t.stage) : "");
}

}  // namespace detail

/// The grid of a schedule that its clock can run; throws `error` for another. Its size is ranks times the clock's
/// length.
inline std::string schedule_grid(const schedule_table& table, clock_units units = {}) {
  const schedule_clock clock = nominal_clock(table, units);
  if (!clock.runs()) throw error("schedule: it cannot be printed since it cannot run:" + unmet_text(clock.unmet));
  bool has_stages = false;
  for (const core::list<pipeline_task>& row : table.rows) has_stages = has_stages || !detail::has_one_stage(row);
  std::vector<std::vector<std::string>> cells(table.rows.size(),
                                              std::vector<std::string>(static_cast<std::size_t>(clock.length), "."));
  std::size_t width = 1;
  for (int rank = 0; rank < table.ranks(); ++rank)
    for (int i = 0; i < table.rows[rank].count(); ++i) {
      std::vector<std::string>& line = cells[static_cast<std::size_t>(rank)];
      for (long time = clock.begins[rank][i]; time < clock.ends[rank][i]; ++time) {
        const bool is_first = time == clock.begins[rank][i];
        const std::string text = is_first ? detail::cell_text(table.rows[rank][i], has_stages) : "";
        width = text.size() > width ? text.size() : width;
        line[static_cast<std::size_t>(time)] = text;
      }
    }
  const std::size_t digits = std::to_string(table.ranks() - 1).size();
  std::string grid;
  for (std::size_t rank = 0; rank < cells.size(); ++rank) {
    const std::string number = std::to_string(rank);
    grid += "rank " + std::string(digits - number.size(), ' ') + number + " ";
    for (const std::string& cell : cells[rank])
      grid += " " + (cell.empty() ? std::string(width, '-') : std::string(width - cell.size(), ' ') + cell);
    grid += "\n";
  }
  return grid;
}

}  // namespace remat
