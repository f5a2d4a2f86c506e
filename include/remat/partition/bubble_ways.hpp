// SPDX-License-Identifier: MIT
/// The ways in which a stage under a budget may run a micro-batch: what the budget's solver finds for any number of bytes, each
/// with none, some or all of its segments computed again before the gradient is waited for; and what the solver has no
/// reason to look at, the first operations in one go, or the last ones, or those that are cheap for their bytes.
///
/// To compute more of them before costs memory, since they are then alive together, and no time where the stage waits.
#pragma once

#include <remat/partition/stage_costs.hpp>
#include <remat/partition/stage_memory.hpp>
#include <remat/plan/plan.hpp>
#include <remat/plan/plan_terms.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace remat::detail {

/// What budgets have computed again in a plan, in preorder.
inline core::list<chosen_range> chosen_in(const plan& made) {
  core::list<chosen_range> found;
  for (const segment& each : made.segments)
    if (each.is_chosen) found.push_back({each.first, each.last, each.staying});
  return found;
}

class bubble_ways {
 public:
  struct way {
    budget_choice choice;
    stage_cost cost = {};
    std::array<std::optional<plan>, 2> plans = {};  // of the micro-batches, and of larger ones, once they are needed

    /// Of a micro-batch, where nothing of it is hidden.
    double seconds() const { return cost.recompute + cost.backward + cost.backward_parameters; }
  };

  /// Of micro-batches of this size; `base` is what the budget chooses where it does not look at the pipeline. At most about
  /// `most` ways. What it is made of must outlive it.
  bubble_ways(const program& p, const plan_terms& terms, std::size_t microbatch, const slice& covered, const plan& base,
              const operation_costs& costs, int most)
      : requests_{terms.request(microbatch, covered), terms.request(microbatch + 1, covered)},
        planners_{{{p, requests_[0]}, {p, requests_[1]}}} {
    add({}, 0, costs);
    const std::size_t everything = planners_[0].make().live_bytes;
    for (const stage_port& each : planners_[0].ports()) waits_ = waits_ || (each.is_gradient && each.receives());
    add_all_of(chosen_in(base), max_ahead, costs);
    base_ = 1;  // with nothing ahead
    budget_search search(planners_[0], p, requests_[0]);
    const core::list<budget_search::candidate>& found = search.find_candidates(everything);
    const int kept = std::min(found.count(), std::max(1, most / 4));
    for (int k = 0; k < kept; ++k) {
      const int at = kept == found.count() ? k : static_cast<int>(static_cast<long>(k) * found.count() / kept);
      add_all_of(found[at].ranges, std::min(max_ahead, std::max(1, most / kept)), costs);
    }
    if (waits_ && covered.last - covered.first <= budget_search::most_solved_operations)
      add_runs(p, covered, costs, std::min(24, std::max(1, most / 8)));
  }
  bubble_ways(const bubble_ways&) = delete;
  bubble_ways& operator=(const bubble_ways&) = delete;

  int count() const { return static_cast<int>(ways_.size()); }
  /// That keeps everything.
  static constexpr int keeps_all() { return 0; }
  /// What the budget chooses where it does not look at the pipeline.
  int base() const { return base_; }
  const way& operator[](int w) const { return ways_[static_cast<std::size_t>(w)]; }
  const plan& planned(int w, bool is_larger) {
    std::optional<plan>& made = ways_[static_cast<std::size_t>(w)].plans[is_larger ? 1 : 0];
    const budget_choice& choice = ways_[static_cast<std::size_t>(w)].choice;
    if (!made) made = planners_[is_larger ? 1 : 0].make(choice.ranges, choice.ahead);
    return *made;
  }
  const plan_request& request() const { return requests_[0]; }

 private:
  static constexpr int max_ahead = 8;

  /// A choice with `variants` numbers of segments ahead, evenly up to all of them, in addition to none.
  void add_all_of(const core::list<chosen_range>& ranges, int variants, const operation_costs& costs) {
    plan made = planners_[0].with_segments(ranges);
    const int outermost = outermost_chosen(made.segments, made.segment_plans).count();
    add(ranges, 0, costs);
    if (!waits_) return;
    const int steps = std::min(variants, outermost);
    for (int k = 1; k <= steps; ++k) add(ranges, outermost * k / steps, costs);
  }
  /// All that is computed again is computed before the gradient is waited for.
  void add_runs(const program& p, const slice& covered, const operation_costs& costs, int most) {
    const int operations = covered.last - covered.first, steps = std::min(operations, most);
    std::vector<double> seconds_per_byte;
    for (int i = covered.first; i < covered.last; ++i) {
      double bytes = 1;
      for (const int t : p.operations[i].outputs) bytes += static_cast<double>(p.tensors[t].bytes(requests_[0].batch));
      seconds_per_byte.push_back(costs.operations[static_cast<std::size_t>(i)].forward / bytes);
    }
    std::vector<double> sorted = seconds_per_byte;
    std::ranges::sort(sorted);
    for (int k = 1; k <= steps; ++k) {
      const int count = operations * k / steps;
      add_run(p, covered, costs, [&](int i) { return i < count; });
      if (k == steps) break;  // the same from here
      add_run(p, covered, costs, [&](int i) { return i >= operations - count; });
      add_run(p, covered, costs, [&](int i) {
        return seconds_per_byte[static_cast<std::size_t>(i)] <= sorted[static_cast<std::size_t>(count - 1)];
      });
    }
  }
  /// The runs of operations, counted from the first of the stage, for which a claim holds.
  template <class Claim>
  void add_run(const program& p, const slice& covered, const operation_costs& costs, const Claim& is_computed_again) {
    core::list<chosen_range> ranges;
    for (int i = covered.first; i < covered.last; ++i) {
      if (!is_computed_again(i - covered.first)) continue;
      if (ranges.empty() || ranges.back().last != i) ranges.push_back({i, i, {}});
      ranges.back().last = i + 1;
    }
    for (chosen_range& each : ranges)  // what others read stays
      for (int reader = each.last; reader < p.operations.count(); ++reader)
        for (const int t : p.operations[reader].inputs)
          if (p.producers[t] >= each.first && p.producers[t] < each.last &&
              std::ranges::find(each.staying, t) == each.staying.end())
            each.staying.push_back(t);
    const plan made = planners_[0].with_segments(ranges);
    add(ranges, outermost_chosen(made.segments, made.segment_plans).count(), costs);
  }
  void add(const core::list<chosen_range>& ranges, int ahead, const operation_costs& costs) {
    plan made = planners_[0].with_segments(ranges);
    planners_[0].write_tape(made, ahead);
    way& added = ways_.emplace_back();
    const auto [cost, recomputed] = cost_of_stage(made, costs);
    added.choice = {recomputed, ranges, ahead};
    added.cost = cost;
  }

  std::array<plan_request, 2> requests_;
  std::array<training_planner, 2> planners_;
  bool waits_ = false;  // for gradients
  int base_ = 0;
  std::vector<way> ways_;
};

}  // namespace remat::detail
