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

/// A stage that a budget is too small for keeps everything: another cut is better.
inline plan plan_of_candidate(const program& p, const plan_request& request) {
  const training_planner planner(p, request);
  if (has_budget(p, request))
    if (std::optional<plan> found = budget_search(planner, p, request).find()) return std::move(*found);
  return planner.make();
}

/// Activations, weights and gradients of the operations [first, last) as a stage of this schedule.
inline double bytes_as_stage(program p, int first, int last, int stage, std::size_t batch,
                             const passes_in_flight& in_flight, const plan_terms& terms) {
  for (int i = 0; i < p.operations.count(); ++i)
    p.operations[i].stage = i < first ? stage - 1 : i < last ? stage : stage + 1;
  for (module_node& n : p.nodes) n.stage = stages_of(p, static_cast<int>(&n - p.nodes.data())).first;
  const auto most_between = [&](int from, int to) {
    return std::max(1, in_flight(stage, pass_of_section(from), pass_of_section(to)));
  };
  slice covered = slice_of_stage(p, stage, most_between(forward_section, backward_section));
  covered.splits = most_between(forward_section, parameters_section) > 1;
  covered.halves_backward = in_flight(stage, pass_kind::backward_input, pass_kind::backward_parameters) > 0;
  const plan made = plan_of_candidate(p, terms.request(batch, covered));
  double bytes = 0;
  for (const plan_region& each : made.regions)
    if (each.port == core::none)
      bytes += static_cast<double>(each.bytes) * (each.is_passing ? 1
                                                  : each.tasks_ahead > 0
                                                      ? std::min(each.tasks_ahead, covered.in_flight - 1) + 1
                                                      : most_between(each.first_section, each.last_section));
  for (const stage_port& each : made.ports)
    bytes += static_cast<double>(p.bytes_of(each.tensor, each.is_gradient, batch)) *
             (each.is_gradient ? 1 : covered.in_flight);
  for (int i = first; i < last; ++i)
    for (int k = 0; k < p.operations[i].parameters; ++k)
      bytes += (p.operations[i].trains() ? 2.0 : 1.0) * sizeof(float) *
               static_cast<double>(p.parameters[p.operations[i].first_parameter + k].declared.elements());
  return bytes;
}

}  // namespace remat::detail
