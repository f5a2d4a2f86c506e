// SPDX-License-Identifier: MIT
/// What each operation of a program costs: counted from its FLOPs (counted_costs.hpp), or measured (check/profile.hpp).
/// (plan/predicted_cost.hpp finds from them what a plan costs.)
#pragma once

#include <remat/core/error.hpp>
#include <remat/core/is_at_least_0.hpp>
#include <remat/plan/tape.hpp>

#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace remat {

/// What an operation costs in each of its actions, in seconds or in FLOPs; 0 where it has none.
struct action_costs {
  double pack = 0, forward = 0, update_state = 0, differentiate = 0;
  double backward_parameters = 0, backward_input = 0, both = 0;  ///< backward; `both` at once, of one that can

  constexpr double backward() const { return differentiate + backward_parameters + backward_input + both; }
};

/// The same of an operation that is named.
struct operation_cost : action_costs {
  std::string path;
  std::string kind;
};

/// An action of an operation, and where its cost is.
struct cost_field {
  action_kind kind;
  std::string_view name;
  double action_costs::*member;
};
inline constexpr cost_field cost_fields[] = {
    {action_kind::pack, "pack", &action_costs::pack},
    {action_kind::forward, "forward", &action_costs::forward},
    {action_kind::update_state, "update_state", &action_costs::update_state},
    {action_kind::differentiate, "differentiate", &action_costs::differentiate},
    {action_kind::backward_parameters, "backward_parameters", &action_costs::backward_parameters},
    {action_kind::backward_input, "backward_input", &action_costs::backward_input},
    {action_kind::backward, "both", &action_costs::both}};

/// An action of no operation.
struct movement {
  action_kind kind;
  std::string_view name;
};
inline constexpr movement movements[] = {{action_kind::load, "load"},
                                         {action_kind::store, "store"},
                                         {action_kind::restore, "restore"},
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

/// Throws `error` unless the costs are of this fused program, and are numbers.
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
    for (const cost_field& field : cost_fields)
      if (!detail::is_at_least_0(cost.*field.member))
        throw error("the cost of '" + path + "' in " + std::string(field.name) + " is " +
                    std::to_string(cost.*field.member) + "; a cost is finite and not below 0");
  }
  for (const movement& each : movements)
    if (const double cost = costs.per_byte[static_cast<std::size_t>(each.kind)]; !detail::is_at_least_0(cost))
      throw error("the cost of a byte in " + std::string(each.name) + " is " + std::to_string(cost) +
                  "; a cost is finite and not below 0");
}

/// Where costs are counted and not measured, a second is that many FLOPs next to what takes seconds: transfers to a
/// disk.
inline constexpr double counted_flops_per_second = 5e10;

}  // namespace remat
