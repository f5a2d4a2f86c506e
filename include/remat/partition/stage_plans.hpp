// SPDX-License-Identifier: MIT
/// The plan of every stage of a program under a schedule: what each stage runs and keeps for a micro-batch.
#pragma once

#include <remat/partition/stage_memory.hpp>
#include <remat/plan/plan.hpp>
#include <remat/plan/plan_terms.hpp>
#include <remat/schedule/in_flight.hpp>
#include <remat/schedule/task_positions.hpp>

#include <algorithm>
#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

namespace remat {

/// What of each stage a plan covers in training. What waits between sections lies apart where several micro-batches of
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

/// Makes the training plans of stages, whose budgets count what the rank lays out, and of the whole rank what else it holds
/// with a plan, where that is known.
class stage_planner {
 public:
  /// All of them must outlive it; p is the fused program with its stages.
  stage_planner(const program& p, const schedule_table& table, const task_positions& positions)
      : program_(&p), table_(&table), positions_(&positions) {}

  plan operator()(const plan_terms& terms, std::size_t microbatch, const slice& covered,
                  updating updates = updating::after_step, stage_memory::others with = {}) {
    const plan_request plain = terms.request(microbatch, covered, updates);
    if (!has_budget(*program_, plain)) return plan_training(*program_, plain);
    if (!timetable_) timetable_.emplace(*program_, *table_, true);
    const stage_memory rank(*program_, covered, updates, *table_, *positions_, *timetable_, std::move(with));
    return plan_training(*program_, terms.request(microbatch, covered, updates, &rank));
  }
  /// Of a stage for all its micro-batches, with its backward halved where the schedule halves that of any.
  plan of_stage(const plan_terms& terms, std::size_t microbatch, const training_slices& covered, int stage) {
    int m = 0;
    while (m + 1 < table_->microbatches && !positions_->halves_backward(stage, m)) ++m;
    return (*this)(terms, microbatch, covered(*program_, stage, m));
  }

 private:
  const program* program_;
  const schedule_table* table_;
  const task_positions* positions_;
  std::optional<pipeline_timetable> timetable_ = {};  // once it is needed
};

/// The training plans of all stages, of the fused program with its stages, for a micro-batch whose backward is halved where the
/// schedule has such. Budgets do not look at what other stages do (pipeline_plans.hpp has those that do).
inline std::vector<plan> stage_plans(const program& p, const schedule_table& table, std::size_t microbatch,
                                     const plan_terms& terms = {}) {
  const task_positions positions(table);
  const training_slices covered(table, positions);
  stage_planner planner(p, table, positions);
  std::vector<plan> plans;
  for (int s = 0; s < table.stages; ++s) plans.push_back(planner.of_stage(terms, microbatch, covered, s));
  return plans;
}

}  // namespace remat
