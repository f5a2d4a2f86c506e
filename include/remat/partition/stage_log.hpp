// SPDX-License-Identifier: MIT
/// What each stage of a partition costs and holds, in words: a line for each, after those of partition_log.hpp.
///
///     stage 0: cost 51.2 %, weights 1.58 MB, kept 3.10 MB per micro-batch of 64 samples, 2 in flight
///     stage 1: cost 48.8 %, weights 1.59 MB, kept 3.02 MB per micro-batch of 64 samples, 1 in flight
///
/// Costs are what the partition counts with: FLOPs, or those measured that `partition::balanced(costs)` was given; with
/// recomputation, as the stages' plans have it. Kept is what waits between forward and backward. A model without a loss
/// keeps nothing, and its cost is that of the forward pass.
#pragma once

#include <remat/partition/pipeline_plans.hpp>
#include <remat/plan/certificate_parts.hpp>
#include <remat/plan/certificate_text.hpp>
#include <remat/schedule/schedule_table.hpp>

#include <algorithm>
#include <cstddef>
#include <set>
#include <string>
#include <vector>

namespace remat {

struct stage_summary {
  int stage = 0;
  double cost_share = 0;    ///< of all stages' cost, 0 to 1
  std::size_t weights = 0;  ///< bytes, a shared parameter once
  std::size_t kept = 0;     ///< bytes, of a micro-batch; the most
  int in_flight = 0;        ///< micro-batches that keep them at once
};

/// Of a fused program with its stages, at this many samples of a micro-batch.
inline std::vector<stage_summary> summarize_stages(const program& p, const schedule_table& table, std::size_t batch,
                                                   const operation_costs& costs, const plan_terms& terms = {}) {
  require_costs_of(p, costs);
  const bool trains = p.loss != core::none;
  std::vector<planned_stage> plans;
  if (trains) plans = pipeline_plans(p, table, batch, terms);
  for (int s = 0; !trains && s < table.stages; ++s)
    plans.push_back({{plan_inference(p, batch, slice_of_stage(p, s))}, {0}});
  const core::list<int> kept = in_flight(table);
  std::vector<stage_summary> made;
  double sum = 0;
  for (int s = 0; s < table.stages; ++s) {
    const std::size_t i = static_cast<std::size_t>(s);
    stage_summary& here = made.emplace_back(s, 0, 0, 0, kept[s]);
    for (const int k : plans[i].of_microbatch)
      here.cost_share += time_of(plans[i].plans[static_cast<std::size_t>(k)], costs).sum() /
                         static_cast<double>(plans[i].of_microbatch.size());
    for (const plan& each : plans[i].plans) here.kept = std::max(here.kept, trains ? kept_bytes(each) : 0);
    sum += made.back().cost_share;
  }
  for (stage_summary& each : made)
    if (sum > 0) each.cost_share /= sum;
  std::vector<std::set<int>> owners(made.size());
  for (const operation& o : p.operations)
    for (int k = 0; k < o.parameters; ++k) {
      const parameter_slot& slot = p.parameters[o.first_parameter + k];
      const std::size_t s = static_cast<std::size_t>(o.stage);
      if (owners[s].insert(slot.owner).second) made[s].weights += slot.declared.elements() * sizeof(float);
    }
  return made;
}

inline std::string stage_log(const std::vector<stage_summary>& stages, std::size_t batch) {
  std::string text;
  for (const stage_summary& each : stages) {
    const auto tenths = static_cast<int>(1000 * each.cost_share + 0.5);
    text += "stage " + std::to_string(each.stage) + ": cost " + std::to_string(tenths / 10) + "." +
            std::to_string(tenths % 10) + " %, weights " + detail::megabytes(each.weights);
    if (each.in_flight > 0)
      text += ", kept " + detail::megabytes(each.kept) + " per micro-batch of " + std::to_string(batch) +
              (batch == 1 ? " sample, " : " samples, ") + std::to_string(each.in_flight) + " in flight";
    text += "\n";
  }
  return text;
}

}  // namespace remat
