// SPDX-License-Identifier: MIT
/// What a range of operations would hold as a stage of a schedule: a partition that balances memory asks it of the
/// stages that it may make.
#pragma once

#include <remat/core/none.hpp>
#include <remat/model/program.hpp>
#include <remat/model/stage_range.hpp>
#include <remat/plan/budget_limits.hpp>
#include <remat/plan/budget_search.hpp>
#include <remat/plan/plan.hpp>
#include <remat/plan/plan_terms.hpp>
#include <remat/plan/slice.hpp>
#include <remat/plan/training_planner.hpp>
#include <remat/schedule/in_flight.hpp>

#include <algorithm>
#include <cstddef>
#include <optional>
#include <utility>

namespace remat::detail {

/// How the bytes of a stage with budgets are found: of the plan that they choose (where they are too small, of the one
/// that keeps all, so that another cut is better), or, in far less time, as those of the plan that keeps all, but no
/// more than the budgets allow.
enum class candidate_bytes { planned, estimated };

inline plan plan_of_candidate(const program& p, const plan_request& request, candidate_bytes how) {
  const training_planner planner(p, request);
  if (how == candidate_bytes::planned && has_budget(p, request))
    if (std::optional<plan> found = budget_search(planner, p, request).find()) return std::move(*found);
  return planner.make();
}

/// Activations, weights and gradients of the operations [first, last) as a stage of this schedule.
inline double bytes_as_stage(program p, int first, int last, int stage, std::size_t batch,
                             const passes_in_flight& in_flight, const plan_terms& terms, candidate_bytes how) {
  for (int i = 0; i < p.operations.count(); ++i)
    p.operations[i].stage = i < first ? stage - 1 : i < last ? stage : stage + 1;
  for (module_node& n : p.nodes) n.stage = stages_of(p, static_cast<int>(&n - p.nodes.data())).first;
  const auto most_between = [&](int from, int to) {
    return std::max(1, in_flight(stage, pass_of_section(from), pass_of_section(to)));
  };
  slice covered = slice_of_stage(p, stage, most_between(forward_section, backward_section));
  covered.splits = most_between(forward_section, parameters_section) > 1;
  covered.halves_backward = in_flight(stage, pass_kind::backward_input, pass_kind::backward_parameters) > 0;
  const plan_request request = terms.request(batch, covered);
  const plan made = plan_of_candidate(p, request, how);
  double activations = 0, parameters = 0;
  for (const plan_region& each : made.regions)
    if (each.port == core::none)
      activations += static_cast<double>(each.bytes) * (each.is_passing ? 1
                                                        : each.tasks_ahead > 0
                                                            ? std::min(each.tasks_ahead, covered.in_flight - 1) + 1
                                                            : most_between(each.first_section, each.last_section));
  for (const stage_port& each : made.ports)
    activations += static_cast<double>(p.bytes_of(each.tensor, each.is_gradient, batch)) *
                   (each.is_gradient ? 1 : covered.in_flight);
  for (int i = first; i < last; ++i)
    for (int k = 0; k < p.operations[i].parameters; ++k)
      parameters += (p.operations[i].trains() ? 2.0 : 1.0) * sizeof(float) *
                    static_cast<double>(p.parameters[p.operations[i].first_parameter + k].declared.elements());
  if (how == candidate_bytes::planned) return activations + parameters;
  const budget_limits limits = limits_of(p, request, static_cast<std::size_t>(activations));
  if (limits.activations) activations = std::min(activations, static_cast<double>(*limits.activations));
  const double bytes = activations + parameters;
  return limits.rank ? std::min(bytes, static_cast<double>(*limits.rank)) : bytes;
}

}  // namespace remat::detail
