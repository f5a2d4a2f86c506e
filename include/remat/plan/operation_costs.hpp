// SPDX-License-Identifier: MIT
/// What each operation of a program costs: counted from its FLOPs, or measured (run/profile.hpp).
///
/// From them follows what a plan costs, since a step is the sum of its tape's actions: how much longer a policy takes
/// than `save_all` is known without running it.
#pragma once

#include <remat/core/error.hpp>
#include <remat/plan/plan.hpp>

#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace remat {

/// An operation's cost in each of its actions, in seconds or in FLOPs; 0 where it has none.
struct operation_cost {
  std::string path;
  std::string kind;
  double pack = 0, forward = 0, update_state = 0, differentiate = 0;
  double backward_parameters = 0, backward_input = 0, both = 0;  ///< backward; `both` at once, of one that can

  double backward() const { return differentiate + backward_parameters + backward_input + both; }
};

/// An action of an operation, and where its cost is.
struct cost_field {
  action_kind kind;
  std::string_view name;
  double operation_cost::* member;
};
inline constexpr cost_field cost_fields[] = {
    {action_kind::pack, "pack", &operation_cost::pack},
    {action_kind::forward, "forward", &operation_cost::forward},
    {action_kind::update_state, "update_state", &operation_cost::update_state},
    {action_kind::differentiate, "differentiate", &operation_cost::differentiate},
    {action_kind::backward_parameters, "backward_parameters", &operation_cost::backward_parameters},
    {action_kind::backward_input, "backward_input", &operation_cost::backward_input},
    {action_kind::backward, "both", &operation_cost::both}};

/// An action of no operation.
struct movement {
  action_kind kind;
  std::string_view name;
};
inline constexpr movement movements[] = {{action_kind::load, "load"},
                                         {action_kind::seed, "seed"},
                                         {action_kind::fetch, "fetch"},
                                         {action_kind::load_gradient, "load_gradient"},
                                         {action_kind::copy_gradient, "copy_gradient"},
                                         {action_kind::add_gradient, "add_gradient"}};

struct operation_costs {
  std::size_t batch = 0;
  std::vector<operation_cost> operations;  ///< of the fused program, in order
  /// Of the `movements`, by kind: for each byte that they write, or read where they write none.
  std::array<double, action_kinds> per_byte = {};
};

/// Costs of nothing, with the paths and kinds of the fused program `p`.
inline operation_costs no_costs(const program& p, std::size_t batch) {
  operation_costs costs{.batch = batch, .operations = {}};
  for (const operation& o : p.operations) {
    operation_cost each;
    each.path = path_of(p, o.node);
    each.kind = o.kind;
    costs.operations.push_back(std::move(each));
  }
  return costs;
}

/// Throws `error` unless the costs are of this fused program.
inline void require_costs_of(const program& p, const operation_costs& costs) {
  if (costs.operations.size() != p.operations.size())
    throw error("the costs are of " + std::to_string(costs.operations.size()) + " operations, and the model has " +
                std::to_string(p.operations.size()) + "; profile this model");
  for (int i = 0; i < p.operations.count(); ++i) {
    const operation_cost& cost = costs.operations[static_cast<std::size_t>(i)];
    const std::string path = path_of(p, p.operations[i].node);
    if (cost.path != path || cost.kind != p.operations[i].kind)
      throw error("operation " + std::to_string(i) + " of the costs is '" + cost.path + "' (" + cost.kind +
                  "), and that of the model is '" + path + "' (" + std::string(p.operations[i].kind) +
                  "); profile this model");
  }
}

/// FLOPs: each half of backward that runs takes as many as the forward pass.
inline operation_costs counted_costs(const program& p, std::size_t batch) {
  operation_costs costs = no_costs(p, batch);
  const list<backward_need> needs = detail::backward_needs(p);
  for (int i = 0; i < p.operations.count(); ++i) {
    operation_cost& cost = costs.operations[static_cast<std::size_t>(i)];
    cost.forward = p.operations[i].flops * static_cast<double>(batch);
    if (needs[i].input && needs[i].parameters && p.operations[i].has_joint_backward) {
      cost.both = 2 * cost.forward;
    } else {
      if (needs[i].input) cost.backward_input = cost.forward;
      if (needs[i].parameters) cost.backward_parameters = cost.forward;
    }
  }
  return costs;
}

/// The same in seconds, on a machine of so many FLOPs a second.
inline operation_costs counted_seconds(const program& p, std::size_t batch, double flops_per_second) {
  if (!(flops_per_second > 0)) throw error("seconds are counted from a rate of FLOPs; give one above 0");
  operation_costs costs = counted_costs(p, batch);
  for (operation_cost& each : costs.operations)
    for (const cost_field& field : cost_fields) each.*field.member /= flops_per_second;
  return costs;
}

/// What each operation costs in a training step: forward, backward, and the recomputations of its checkpoints.
inline list<double> step_costs(const program& p, const operation_costs& costs) {
  list<double> sums;
  for (const operation_cost& each : costs.operations)
    sums.push_back(each.pack + each.forward + each.update_state + each.backward());
  for (const segment_plan& s : plan_segments(p, whole(p), segments_of(p), costs.batch))
    for (const int again : s.recomputed) sums[again] += costs.operations[static_cast<std::size_t>(again)].forward;
  return sums;
}

/// The bytes that an action moves which belongs to no operation.
constexpr std::size_t bytes_moved(const plan& made, const action& a) {
  for (const auto* some : {&a.outputs, &a.input_gradients, &a.inputs})
    for (const int b : *some)
      if (b != none) return made.steps.buffers[b].bytes;
  return 0;
}

/// What an action of a plan costs; a recomputation is a forward pass again.
inline double action_cost(const plan& made, const action& a, const operation_costs& costs) {
  if (a.operation == none)
    return costs.per_byte[static_cast<std::size_t>(a.kind)] * static_cast<double>(bytes_moved(made, a));
  const action_kind kind = a.kind == action_kind::recompute ? action_kind::forward : a.kind;
  double sum = 0;
  for (const cost_field& field : cost_fields)
    if (field.kind == kind) sum += costs.operations[static_cast<std::size_t>(a.operation)].*field.member;
  return sum;
}

/// What a plan of the program costs in all: the sum of its actions.
inline double predicted_cost(const plan& made, const operation_costs& costs) {
  double sum = 0;
  for (const action& a : made.steps.actions) sum += action_cost(made, a, costs);
  return sum;
}

}  // namespace remat
