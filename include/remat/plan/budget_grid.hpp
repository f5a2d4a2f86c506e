// SPDX-License-Identifier: MIT
/// All that the budgets of a slice may choose, whatever bytes they have: what budget_search.hpp looks at, and what it
/// costs. Slices that share bytes choose among these together (partition/shared_budget.hpp).
#pragma once

#include <remat/plan/budget_choices.hpp>
#include <remat/plan/budget_search.hpp>
#include <remat/plan/disk_search.hpp>
#include <remat/plan/predicted_cost.hpp>
#include <remat/plan/training_planner.hpp>
#include <remat/plan/transfer_times.hpp>
#include <remat/plan/uniform_search.hpp>

#include <vector>

namespace remat::detail {

/// To keep everything is the first; of long uniform runs some schedules are among them.
inline std::vector<budget_choice> budget_grid(const training_planner& planner, const program& p,
                                              const plan_request& request) {
  std::vector<budget_choice> all(1);
  budget_search search(planner, p, request);
  for (const budget_candidate& each : search.find_candidates(planner.make().live_bytes))
    all.push_back({each.again, each.ranges});
  const bool is_solved = all.size() > 1;
  const uniform_search runs(planner, p, request);
  for (int level = runs.least(); level < runs.most(); level += level < runs.least() + 8 ? 1 : level / 16 + 1) {
    budget_choice of_run{0, runs.ranges(level)};
    of_run.again = recomputation_cost(p, planner.with_segments(of_run.ranges), request.costs);
    all.push_back(std::move(of_run));
  }
  if (is_solved && may_leave_arena(p)) {
    const step_times times(p, request);
    for (budget_choice& each : disk_search(planner, p, request, times).choices()) all.push_back(std::move(each));
  }
  return all;
}

}  // namespace remat::detail
