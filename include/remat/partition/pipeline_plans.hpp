// SPDX-License-Identifier: MIT
/// The plan of every stage of a program under a schedule, micro-batch by micro-batch: where budgets look at what the pipeline
/// waits for, those of a stage differ.
#pragma once

#include <remat/partition/bubble_search.hpp>
#include <remat/partition/stage_plans.hpp>
#include <remat/plan/plan.hpp>
#include <remat/plan/plan_terms.hpp>

#include <cstddef>
#include <utility>
#include <vector>

namespace remat {

struct planned_stage {
  std::vector<plan> plans = {};         ///< the different ones
  std::vector<int> of_microbatch = {};  ///< which of them

  bool is_uniform() const { return plans.size() == 1; }
  const plan& of(int microbatch) const {
    return plans[static_cast<std::size_t>(of_microbatch[static_cast<std::size_t>(microbatch)])];
  }
};

/// Of training, for micro-batches of this many samples. A stage of one plan has it with its backward halved where the schedule
/// halves that of any micro-batch.
inline std::vector<planned_stage> pipeline_plans(const program& p, const schedule_table& table, std::size_t microbatch,
                                                 const plan_terms& terms = {}) {
  const std::vector<stage_choices> choices = choose_in_bubbles(p, table, {microbatch}, terms);
  const task_positions positions(table);
  const training_slices covered(table, positions);
  stage_planner planner(p, table, positions);
  std::vector<planned_stage> made;
  for (int s = 0; s < table.stages; ++s) {
    const stage_choices& chosen = choices[static_cast<std::size_t>(s)];
    planned_stage& here = made.emplace_back();
    for (const budget_choice& each : chosen.ways)
      here.plans.push_back(
          plan_training(p, terms.request(microbatch, covered(p, s, 0), updating::after_step, nullptr, &each)));
    here.of_microbatch = chosen.of_microbatch;
    if (!here.plans.empty()) continue;
    here.plans.push_back(planner.of_stage(terms, microbatch, covered, s));
    here.of_microbatch.assign(static_cast<std::size_t>(table.microbatches), 0);
  }
  return made;
}

}  // namespace remat
