// SPDX-License-Identifier: MIT
/// The plan of every stage of a program under a schedule, micro-batch by micro-batch: where budgets look at what the
/// pipeline waits for, those of a stage differ.
#pragma once

#include <remat/partition/pipeline_choices.hpp>
#include <remat/partition/stage_plans.hpp>
#include <remat/plan/plan.hpp>
#include <remat/plan/plan_terms.hpp>

#include <cstddef>
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

/// Of training, for micro-batches of this many samples. A stage of one plan has it with its backward halved where the
/// schedule halves that of any micro-batch. `arena`: what ranks have in addition to activations, where it is known.
inline std::vector<planned_stage> pipeline_plans(const program& p, const schedule_table& table, std::size_t microbatch,
                                                 const plan_terms& terms = {}, const rank_arena* arena = nullptr) {
  const std::vector<stage_choices> choices = choose_in_pipeline(p, table, {microbatch}, terms, {.arena = arena});
  const task_positions positions(table);
  const training_slices covered(table, positions);
  std::vector<planned_stage> made;
  for (int s = 0; s < table.stages; ++s) {
    const stage_choices& chosen = choices[static_cast<std::size_t>(s)];
    planned_stage& here = made.emplace_back();
    const auto add = [&](const budget_choice* choice) {
      here.plans.push_back(plan_of_stage(p, table, positions, covered, terms, microbatch, s, choice));
    };
    for (const budget_choice& each : chosen.ways) add(&each);
    here.of_microbatch = chosen.of_microbatch;
    if (!here.plans.empty()) continue;
    add(nullptr);
    here.of_microbatch.assign(static_cast<std::size_t>(table.microbatches), 0);
  }
  return made;
}

}  // namespace remat
