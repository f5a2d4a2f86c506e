// SPDX-License-Identifier: MIT
/// What a plan costs, from what its operations cost: a step is the sum of its tape's actions, so that how much longer a
/// policy takes than `save_all` is known without running it.
#pragma once

#include <remat/plan/backward_needs.hpp>
#include <remat/plan/operation_costs.hpp>
#include <remat/plan/plan_layout.hpp>
#include <remat/plan/plan_terms.hpp>
#include <remat/plan/segment.hpp>
#include <remat/plan/segment_plans.hpp>
#include <remat/plan/segments.hpp>

#include <cstddef>

namespace remat {

/// What each operation costs in a training step of the program in one process: forward, backward, and the
/// recomputations of its checkpoints, as policies choose them on these terms.
inline core::list<double> step_costs(const program& p, const operation_costs& costs, const plan_terms& terms = {}) {
  core::list<double> sums;
  for (const operation_cost& each : costs.operations)
    sums.push_back(each.pack + each.forward + each.update_state + each.backward());
  const core::list<segment> segments = segments_of(p, terms.request(costs.batch));
  for (const segment_plan& s : plan_segments(p, whole(p), segments, detail::backward_needs(p), costs.batch))
    for (const int again : s.recomputed) sums[again] += costs.operations[static_cast<std::size_t>(again)].forward;
  return sums;
}

namespace detail {

/// What a plan's segments compute again costs.
constexpr double recomputation_cost(const program& p, const plan& made, const operation_costs* costs) {
  double sum = 0;
  for (const segment_plan& s : made.segment_plans)
    for (const int i : s.recomputed)
      sum += costs != nullptr ? costs->operations[static_cast<std::size_t>(i)].forward
                              : p.operations[i].flops * static_cast<double>(made.batch);
  return sum;
}

}  // namespace detail

/// The bytes that an action moves which belongs to no operation.
constexpr std::size_t bytes_moved(const plan& made, const action& a) {
  for (const auto* some : {&a.outputs, &a.input_gradients, &a.inputs})
    for (const int b : *some)
      if (b != core::none) return made.steps.buffers[b].bytes;
  return 0;
}

/// What packing weights costs in a step, where the action is the forward pass of an operation that does: a plan does
/// not know when they are packed (run/packing.hpp).
inline double packing_cost(const action& a, const operation_costs& costs) {
  return a.kind == action_kind::forward ? costs.operations[static_cast<std::size_t>(a.operation)].pack : 0;
}

/// What an action of a plan costs, without packing; a recomputation is a forward pass again.
inline double action_cost(const plan& made, const action& a, const operation_costs& costs) {
  if (a.kind == action_kind::pack) return 0;
  if (a.operation == core::none)
    return costs.per_byte[static_cast<std::size_t>(a.kind)] * static_cast<double>(bytes_moved(made, a));
  const action_kind kind = a.kind == action_kind::recompute ? action_kind::forward : a.kind;
  double sum = 0;
  for (const cost_field& field : cost_fields)
    if (field.kind == kind) sum += costs.operations[static_cast<std::size_t>(a.operation)].*field.member;
  return sum;
}

/// What a plan of the program costs in all: the sum of its actions, and of packing.
inline double predicted_cost(const plan& made, const operation_costs& costs) {
  double sum = 0;
  for (const action& a : made.steps.actions) sum += action_cost(made, a, costs) + packing_cost(a, costs);
  return sum;
}

}  // namespace remat
