// SPDX-License-Identifier: MIT
/// The costs of operations as FLOPs: each half of backward that runs takes as many as the forward pass.
#pragma once

#include <remat/core/error.hpp>
#include <remat/plan/backward_needs.hpp>
#include <remat/plan/operation_costs.hpp>

#include <cstddef>

namespace remat {

namespace detail {

/// FLOPs: each half of backward that runs takes as many as the forward pass.
constexpr action_costs counted_cost(const operation& o, backward_need need, std::size_t batch) {
  action_costs cost;
  cost.forward = o.flops * static_cast<double>(batch);
  if (need.input && need.parameters && o.has_joint_backward) {
    cost.both = 2 * cost.forward;
  } else {
    if (need.input) cost.backward_input = cost.forward;
    if (need.parameters) cost.backward_parameters = cost.forward;
  }
  return cost;
}

}  // namespace detail

/// FLOPs of every operation.
inline operation_costs counted_costs(const program& p, std::size_t batch) {
  operation_costs costs = no_costs(p, batch);
  const core::list<backward_need> needs = detail::backward_needs(p);
  for (int i = 0; i < p.operations.count(); ++i)
    static_cast<action_costs&>(costs.operations[static_cast<std::size_t>(i)]) =
        detail::counted_cost(p.operations[i], needs[i], batch);
  return costs;
}

/// The same in seconds, on a machine of this many FLOPs a second.
inline operation_costs counted_seconds(const program& p, std::size_t batch, double flops_per_second) {
  if (!(flops_per_second > 0)) throw error("seconds are counted from a rate of FLOPs; give one above 0");
  operation_costs costs = counted_costs(p, batch);
  for (operation_cost& each : costs.operations)
    for (const cost_field& field : cost_fields) each.*field.member /= flops_per_second;
  return costs;
}

}  // namespace remat
