// SPDX-License-Identifier: MIT
/// What a stage costs the simulator, from its plan and what each operation costs.
///
/// | seconds               | of                                                                                   |
/// |-----------------------|--------------------------------------------------------------------------------------|
/// | `forward`             | what is before the backward pass                                                     |
/// | `recompute`           | recomputation before the first gradient of another stage is read: it runs while that |
/// |                       | is on its way. On a stage that waits for none, all recomputation                     |
/// | `backward`            | the rest, with the recomputation that follows                                        |
/// | `backward_parameters` | of that, what the schedule gives a task of its own                                   |
/// | `update`              | packing, once a step                                                                 |
#pragma once

#include <remat/plan/plan.hpp>
#include <remat/plan/predicted_cost.hpp>
#include <remat/schedule/stage_cost.hpp>
#include <remat/schedule/task_kinds.hpp>

#include <utility>

namespace remat::detail {

inline bool receives_gradient(const plan& made, const action& a) {
  return a.kind == action_kind::receive && made.steps.buffers[a.outputs[0]].is_gradient;
}

/// What a stage costs, without what its parameters add; and all of its recomputation.
inline std::pair<stage_cost, double> cost_of_stage(const plan& made, const operation_costs& costs) {
  const core::list<action>& actions = made.steps.actions;
  stage_cost cost;
  double recomputed = 0;
  bool has_gradient = false;
  for (int i = 0; i < actions.count(); ++i) {
    const action& a = actions[i];
    const double seconds = action_cost(made, a, costs);
    has_gradient = has_gradient || receives_gradient(made, a);
    if (a.kind == action_kind::recompute) recomputed += seconds;
    cost.update += packing_cost(a, costs);
    if (a.kind == action_kind::recompute && !has_gradient)
      cost.recompute += seconds;
    else
      cost.*rules_of(pass_of_section(made.steps.section_of(i))).seconds += seconds;
  }
  return {cost, recomputed};
}

}  // namespace remat::detail
