// SPDX-License-Identifier: MIT
/// How messages name a task and its place in a schedule: "rank 1, position 4: backward of stage 1, micro-batch 0".
#pragma once

#include <remat/schedule/schedule_table.hpp>

#include <string>

namespace remat {

inline std::string task_text(const pipeline_task& t) {
  const std::string kind =
      is_known(t.kind) ? std::string(rules_of(t.kind).name) : "kind " + std::to_string(static_cast<int>(t.kind));
  return kind + " of stage " + std::to_string(t.stage) + ", micro-batch " + std::to_string(t.microbatch);
}

inline std::string place_text(int rank, int position) {
  return "rank " + std::to_string(rank) + ", position " + std::to_string(position);
}

/// A task of a table with its place; positions count from 0.
inline std::string row_text(const schedule_table& table, int rank, int position) {
  return place_text(rank, position) + ": " + task_text(table.rows[rank][position]);
}

}  // namespace remat
