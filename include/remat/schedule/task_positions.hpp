// SPDX-License-Identifier: MIT
/// Where each pass of a schedule is done: the rank and the position of the task in that rank's row, in constant time.
#pragma once

#include <remat/core/error.hpp>
#include <remat/schedule/schedule_table.hpp>
#include <remat/schedule/task_text.hpp>

#include <cstddef>
#include <iterator>
#include <string>

namespace remat {

namespace detail {

[[noreturn]] inline void refuse_foreign_task(const schedule_table& table, int rank, int position) {
  throw error("schedule: " + row_text(table, rank, position) + ", but the schedule has stages 0 to " +
              std::to_string(table.stages - 1) + " and micro-batches 0 to " + std::to_string(table.microbatches - 1));
}

[[noreturn]] inline void refuse_few_tasks(const schedule_table& table, std::size_t tasks) {
  throw error("schedule: it has " + std::to_string(tasks) + " tasks, and needs at least one for each of its " +
              std::to_string(table.stages) + " stages and " + std::to_string(table.microbatches) + " micro-batches");
}

constexpr bool is_within(const schedule_table& table, const pipeline_task& t) {
  return t.stage >= 0 && t.stage < table.stages && t.microbatch >= 0 && t.microbatch < table.microbatches &&
         is_known(t.kind);
}

}  // namespace detail

/// Of a table whose stages are on one rank each and whose tasks are there once (schedule_rules.hpp).
class task_positions {
 public:
  /// Throws `error` where a task is outside of the table's numbers, or there are fewer tasks than these say.
  constexpr explicit task_positions(const schedule_table& table)
      : microbatches_(static_cast<std::size_t>(table.microbatches)),
        positions_(std::size(pass_table) * passes(table), -1),
        ranks_(static_cast<std::size_t>(table.stages), -1) {
    for (int rank = 0; rank < table.ranks(); ++rank) {
      const pipeline_task* const row = table.rows[rank].data();
      for (int position = 0, count = table.rows[rank].count(); position < count; ++position) {
        const pipeline_task& t = row[position];
        if (!detail::is_within(table, t)) detail::refuse_foreign_task(table, rank, position);
        ranks_[t.stage] = rank;
        each_pass(t.kind, [&](pass_kind pass) { positions_[index(pass, t.stage, t.microbatch)] = position; });
      }
    }
  }

  /// -1 where the stage has no task.
  constexpr int rank_of(int stage) const { return ranks_[stage]; }
  /// Of the task that does a pass; -1 where none does.
  constexpr int position_of(pass_kind pass, int stage, int microbatch) const {
    return positions_[index(pass, stage, microbatch)];
  }
  /// Whether the backward pass of a micro-batch is in two tasks.
  constexpr bool halves_backward(int stage, int microbatch) const {
    return position_of(pass_kind::backward_input, stage, microbatch) !=
           position_of(pass_kind::backward_parameters, stage, microbatch);
  }

 private:
  /// How often each pass is done: once for each stage and micro-batch.
  static constexpr std::size_t passes(const schedule_table& table) {
    std::size_t tasks = 0;
    for (const core::list<pipeline_task>& row : table.rows) tasks += row.size();
    const auto stages = static_cast<std::size_t>(table.stages),
               microbatches = static_cast<std::size_t>(table.microbatches);
    if (stages == 0) return 0;
    if (stages > tasks || microbatches > tasks / stages) detail::refuse_few_tasks(table, tasks);
    return stages * microbatches;
  }
  constexpr std::size_t index(pass_kind pass, int stage, int microbatch) const {
    return (std::size(pass_table) * static_cast<std::size_t>(stage) + static_cast<std::size_t>(pass)) * microbatches_ +
           static_cast<std::size_t>(microbatch);
  }

  std::size_t microbatches_;
  core::list<int> positions_, ranks_;
};

}  // namespace remat
