// SPDX-License-Identifier: MIT
/// The plan of every stage of a program under a schedule: what each stage runs and keeps for a micro-batch.
#pragma once

#include <remat/plan/plan.hpp>
#include <remat/plan/plan_terms.hpp>
#include <remat/schedule/in_flight.hpp>
#include <remat/schedule/task_positions.hpp>

#include <algorithm>
#include <cstddef>
#include <vector>

namespace remat {

/// What of each stage a plan covers in training. What waits between sections is apart where several micro-batches of
/// the stage are on their way, and where its rank has other stages.
class training_slices {
 public:
  training_slices(const schedule_table& table, const task_positions& positions)
      : in_flight_(table), neighbours_(table.rows.size()), positions_(&positions) {
    for (int s = 0; s < table.stages; ++s) ++neighbours_[positions.rank_of(s)];
  }

  slice operator()(const program& p, int stage, int microbatch) const {
    const int kept = in_flight_(stage, pass_kind::forward, pass_kind::backward_input);
    const bool is_alone = in_flight_(stage, pass_kind::forward, pass_kind::backward_parameters) <= 1 &&
                          neighbours_[positions_->rank_of(stage)] == 1;
    slice covered = slice_of_stage(p, stage, std::max(1, kept), !is_alone);
    covered.halves_backward = positions_->halves_backward(stage, microbatch);
    return covered;
  }

 private:
  passes_in_flight in_flight_;
  core::list<int> neighbours_;  // of each rank, its stages
  const task_positions* positions_;
};

/// The training plan of a stage whose budgets choose this, or which has none: for a micro-batch whose backward is
/// halved where the schedule has such.
inline plan plan_of_stage(const program& p, const schedule_table& table, const task_positions& positions,
                          const training_slices& covered, const plan_terms& terms, std::size_t microbatch, int stage,
                          const budget_choice* chosen = nullptr) {
  int m = 0;
  while (m + 1 < table.microbatches && !positions.halves_backward(stage, m)) ++m;
  return plan_training(p, terms.request(microbatch, covered(p, stage, m), updating::after_step, nullptr, chosen));
}

/// The training plans of all stages of the fused program with its stages, which has no budgets (pipeline_plans.hpp has
/// those of programs that have).
inline std::vector<plan> stage_plans(const program& p, const schedule_table& table, std::size_t microbatch,
                                     const plan_terms& terms = {}) {
  const task_positions positions(table);
  const training_slices covered(table, positions);
  std::vector<plan> plans;
  for (int s = 0; s < table.stages; ++s)
    plans.push_back(plan_of_stage(p, table, positions, covered, terms, microbatch, s));
  return plans;
}

}  // namespace remat
