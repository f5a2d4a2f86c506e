// SPDX-License-Identifier: MIT
/// A schedule: for each rank of a pipeline, the tasks that it does in a step, in order.
///
/// A task is a pass, or several, of one stage on one micro-batch (task_kinds.hpp). Messages are no tasks: which tensors
/// cross between two stages follows from the program, and when their receives are posted from the schedule's clock.
#pragma once

#include <remat/core/list.hpp>
#include <remat/schedule/task_kinds.hpp>

namespace remat {

struct pipeline_task {
  task_kind kind = task_kind::forward;
  int stage = 0;
  int microbatch = 0;

  friend constexpr bool operator==(const pipeline_task&, const pipeline_task&) = default;
};

struct schedule_table {
  int stages = 0;
  int microbatches = 0;
  core::list<core::list<pipeline_task>> rows = {};  ///< one for each rank

  constexpr int ranks() const { return rows.count(); }
  /// The rank whose row holds the tasks of a stage, or -1.
  constexpr int rank_of(int stage) const {
    for (int r = 0; r < rows.count(); ++r)
      for (const pipeline_task& t : rows[r])
        if (t.stage == stage) return r;
    return -1;
  }
};

}  // namespace remat
