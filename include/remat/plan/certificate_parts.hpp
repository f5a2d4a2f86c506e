// SPDX-License-Identifier: MIT
/// What a certificate says of a plan without comparing it with others: where its time goes, and where its memory has
/// gaps.
#pragma once

#include <remat/plan/certificate.hpp>
#include <remat/plan/placement.hpp>
#include <remat/plan/plan_layout.hpp>
#include <remat/plan/predicted_cost.hpp>

#include <cstddef>
#include <string>
#include <string_view>

namespace remat {

namespace detail {

/// "backward of h.3.fc linear"; of an action without an operation: "an action of no module".
inline std::string text_of(const program& p, const action& a) {
  if (a.operation == core::none) return "an action of no module";
  const std::string_view what = a.kind == action_kind::forward     ? "forward of "
                                : a.kind == action_kind::recompute ? "recomputation of "
                                                                   : "backward of ";
  return std::string(what) + shown_operation(p, p.operations[a.operation]);
}

}  // namespace detail

/// Where a step's time goes. The costs are of a batch; times are those of the plan's, in proportion.
inline predicted_time time_of(const plan& made, const operation_costs& costs) {
  predicted_time sum;
  for (int now = 0; now < made.steps.actions.count(); ++now) {
    const action& a = made.steps.actions[now];
    const double cost = action_cost(made, a, costs) + packing_cost(a, costs);
    (a.kind == action_kind::recompute                ? sum.recomputed
     : made.steps.section_of(now) == forward_section ? sum.forward
                                                     : sum.backward) += cost;
  }
  if (costs.batch > 0 && costs.batch != made.batch) {
    const double share = static_cast<double>(made.batch) / static_cast<double>(costs.batch);
    sum = {sum.forward * share, sum.backward * share, sum.recomputed * share};
  }
  return sum;
}

/// Of the regions without a port.
inline fragmentation fragmentation_of(const program& p, const plan& made) {
  fragmentation worst;
  for (int r = 0; r < made.region_of_port(0); ++r) {
    const core::list<std::size_t> live = detail::live_bytes(made.steps, r, alignment);  // as the end is counted
    fragmentation here;
    for (int now = 0; now < made.steps.actions.count(); ++now)
      if (here.fullest == core::none || live[now] > here.live_bytes) here.live_bytes = live[now], here.fullest = now;
    for (const buffer& each : made.steps.buffers) {
      const std::size_t end = each.offset + aligned(each.bytes);
      if (each.region != r || each.bytes == 0 || end < here.placed_bytes) continue;
      if (end > here.placed_bytes || each.first < here.highest) here.highest = each.first;
      here.placed_bytes = end;
    }
    if (here.highest != core::none) here.live_at_highest = live[here.highest];
    if (worst.fullest == core::none || here.lost_bytes() > worst.lost_bytes()) worst = here;
  }
  if (worst.fullest != core::none) worst.at_fullest = detail::text_of(p, made.steps.actions[worst.fullest]);
  if (worst.highest != core::none) worst.at_highest = detail::text_of(p, made.steps.actions[worst.highest]);
  return worst;
}

}  // namespace remat
