// SPDX-License-Identifier: MIT
/// The plans that budgets choose from: what a grid of choices gives (budget_choices.hpp), the fastest first. Next to
/// other checkpoints the grid is asked for several views of them (other_checkpoints.hpp).
#pragma once

#include <remat/plan/budget_choices.hpp>
#include <remat/plan/other_checkpoints.hpp>
#include <remat/plan/plan_request.hpp>
#include <remat/plan/predicted_cost.hpp>
#include <remat/plan/segment.hpp>
#include <remat/plan/training_planner.hpp>

#include <cstddef>
#include <utility>

namespace remat::detail {

/// What is computed again within a step, in the unit of costs, and by which ranges.
struct budget_candidate {
  double again = 0;
  core::list<chosen_range> ranges = {};
};

/// Whether the choices count what other checkpoints hold. Of more operations, whose schedules are approximate, what
/// those drop takes no memory.
constexpr bool counts_other_checkpoints(const program& p, const slice& covered) {
  constexpr int most_operations = 200;
  return covered.last - covered.first <= most_operations && has_other_checkpoints(p, covered);
}

class candidate_search {
 public:
  constexpr candidate_search(const training_planner& planner, const program& p, const plan_request& request,
                             std::size_t save_all_bytes)
      : planner_(planner),
        p_(p),
        request_(request),
        grid_(grid_for(planner.covered().last - planner.covered().first, save_all_bytes)) {}

  constexpr core::list<budget_candidate> run() {
    add_view(nullptr);
    if (!counts_other_checkpoints(p_, planner_.covered())) return static_cast<core::list<budget_candidate>&&>(found_);
    core::list<segment> fixed = dropped_by_others(planner_.with_segments({}));
    add_view(&fixed);
    if (!fixed.empty()) {
      fixed.clear();  // as if all of them were left plain
      add_view(&fixed);
    }
    return static_cast<core::list<budget_candidate>&&>(found_);
  }

 private:
  /// Adds what the grid gives where other checkpoints are seen so, in the order of the plans' own costs.
  constexpr void add_view(const core::list<segment>* fixed) {
    budget_problems problems(p_, request_, planner_.covered(), planner_.ports(), planner_.needs(), grid_,
                             rounding::even, fixed);
    core::list<budget_candidate> of_view;
    for (int quanta = problems.least(); quanta <= problems.levels(); ++quanta) {
      if (quanta > problems.least() && !(problems.again(quanta) < problems.again(quanta - 1))) continue;
      budget_candidate made{0, problems.choice(quanta).ranges};
      made.again = recomputation_cost(p_, planner_.with_segments(made.ranges), request_.costs);
      if (!is_known(made)) of_view.push_back(static_cast<budget_candidate&&>(made));
    }
    for (int k = of_view.count(); k-- > 0;) {  // the fastest are last, as they are found
      found_.push_back(static_cast<budget_candidate&&>(of_view[k]));
      for (int at = found_.count() - 1; at > 0 && found_[at].again < found_[at - 1].again; --at)
        std::swap(found_[at], found_[at - 1]);
    }
  }
  constexpr bool is_known(const budget_candidate& made) const {
    for (const budget_candidate& each : found_)
      if (each.again == made.again && are_same(each.ranges, made.ranges)) return true;
    return false;
  }

  const training_planner& planner_;
  const program& p_;
  const plan_request& request_;
  memory_grid grid_;
  core::list<budget_candidate> found_ = {};
};

constexpr core::list<budget_candidate> budget_candidates(const training_planner& planner, const program& p,
                                                         const plan_request& request, std::size_t save_all_bytes) {
  return candidate_search(planner, p, request, save_all_bytes).run();
}

}  // namespace remat::detail
