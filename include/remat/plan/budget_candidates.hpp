// SPDX-License-Identifier: MIT
/// The plans that budgets choose from: what a grid of choices gives (budget_choices.hpp), the fastest first. Next to
/// other checkpoints the grid is asked for several views of them (other_checkpoints.hpp). The segments of `recompute_all`
/// are among them, too: their memory may differ by less than a quantum from that of a choice.
#pragma once

#include <remat/plan/budget_choices.hpp>
#include <remat/plan/checkpoint_search.hpp>
#include <remat/plan/other_checkpoints.hpp>
#include <remat/plan/plan_request.hpp>
#include <remat/plan/predicted_cost.hpp>
#include <remat/plan/segment.hpp>
#include <remat/plan/stored_tensors.hpp>
#include <remat/plan/training_planner.hpp>

#include <cstddef>
#include <utility>

namespace remat::detail {

/// What is computed again within a step, in the unit of costs, and by which ranges.
struct budget_candidate {
  double again = 0;
  core::list<chosen_range> ranges = {};
};

/// Whether the choices count what other checkpoints hold. Of more operations, whose schedules are approximate, and with
/// a disk, what those drop takes no memory.
constexpr bool counts_other_checkpoints(const program& p, const slice& covered) {
  constexpr int most_operations = 200;
  return covered.last - covered.first <= most_operations && !may_leave_arena(p) && has_other_checkpoints(p, covered);
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
    add_view({});
    if (counts_other_checkpoints(p_, planner_.covered())) {
      const view_of_others as_they_are{true, dropped_by_others(planner_.with_segments({}))}, left_plain{true, {}};
      add_view(as_they_are);
      if (!as_they_are.dropped.empty()) add_view(left_plain);
    }
    for (const bool of_children : {false, true})
      for (const bool stays : {false, true}) add(recomputing_all(of_children, stays));
    return static_cast<core::list<budget_candidate>&&>(found_);
  }

 private:
  /// Adds what the grid gives where other checkpoints are seen so, in the order of the plans' own costs.
  constexpr void add_view(const view_of_others& others) {
    budget_problems problems(p_, request_, planner_.covered(), planner_.ports(), planner_.needs(), grid_,
                             rounding::even, others);
    core::list<budget_candidate> of_view;
    for (int quanta = problems.least(); quanta <= problems.levels(); ++quanta) {
      if (quanta > problems.least() && !(problems.again(quanta) < problems.again(quanta - 1))) continue;
      budget_candidate made{0, problems.choice(quanta).ranges};
      made.again = recomputation_cost(p_, planner_.with_segments(made.ranges), request_.costs);
      of_view.push_back(static_cast<budget_candidate&&>(made));
    }
    for (int k = of_view.count(); k-- > 0;) add(static_cast<budget_candidate&&>(of_view[k]));  // the fastest are last
  }
  /// Each budget is one segment, or each of its children is, in which everything is computed again. What later
  /// operations read of a segment is kept for its backward pass, where it `stays`, or is computed again, too.
  constexpr budget_candidate recomputing_all(bool of_children, bool stays) const {
    segment_search search{p_};
    search.run(planner_.covered().stage);
    core::list<chosen_range> ranges;
    for (const found_segment& each : search.found) {
      if (!each.policy->has_budget() || is_in_budget(search.found, each.parent)) continue;
      if (!of_children) add_range(ranges, each.first, each.last, stays);
      const int end = of_children ? p_.nodes[each.node].end : each.node;
      for (int child = each.node + 1; child < end; child = p_.nodes[child].end) {
        const module_node& of = p_.nodes[child];
        add_range(ranges, of.first < each.first ? each.first : of.first, of.last < each.last ? of.last : each.last,
                  stays);
      }
    }
    const double again = recomputation_cost(p_, planner_.with_segments(ranges), request_.costs);
    return {again, static_cast<core::list<chosen_range>&&>(ranges)};
  }
  constexpr void add_range(core::list<chosen_range>& to, int first, int last, bool stays) const {
    if (first >= last) return;
    chosen_range& made = to.push_back({first, last});
    for (int reader = last; stays && reader < planner_.covered().last; ++reader)
      for (const int t : p_.operations[reader].inputs)
        if (p_.producers[t] >= first && p_.producers[t] < last && !core::is_among(made.staying, t))
          made.staying.push_back(t);
  }
  /// In its place, after others that cost as much.
  constexpr void add(budget_candidate&& made) {
    if (is_known(made)) return;
    found_.push_back(static_cast<budget_candidate&&>(made));
    for (int at = found_.count() - 1; at > 0 && found_[at].again < found_[at - 1].again; --at)
      std::swap(found_[at], found_[at - 1]);
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
