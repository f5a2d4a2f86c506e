// SPDX-License-Identifier: MIT
/// The plan of every stage of a program under a schedule: what each stage runs and keeps for a micro-batch.
#pragma once

#include <remat/dist/in_flight.hpp>
#include <remat/dist/task_positions.hpp>
#include <remat/plan/plan.hpp>

#include <algorithm>
#include <cstddef>
#include <vector>

namespace remat {

/// What of a stage a plan covers in training. What waits for backward lies apart where several micro-batches of the
/// stage are in flight, and where its rank has other stages.
inline slice training_slice(const program& p, int stage, int in_flight, bool has_neighbours) {
  const int most = std::max(1, in_flight);
  return slice_of_stage(p, stage, most, most > 1 || has_neighbours);
}

/// The training plans of all stages, of the fused program with its stages.
inline std::vector<plan> stage_plans(const program& p, const schedule_table& table, std::size_t microbatch) {
  const task_positions positions(table);
  const list<int> kept = in_flight(table);
  std::vector<int> stages_of_rank(table.rows.size());
  for (int s = 0; s < table.stages; ++s) ++stages_of_rank[static_cast<std::size_t>(positions.rank_of(s))];
  std::vector<plan> plans;
  for (int s = 0; s < table.stages; ++s) {
    const bool has_neighbours = stages_of_rank[static_cast<std::size_t>(positions.rank_of(s))] > 1;
    plans.push_back(plan_training(p, microbatch, training_slice(p, s, kept[s], has_neighbours)));
  }
  return plans;
}

}  // namespace remat
