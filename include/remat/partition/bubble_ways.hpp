// SPDX-License-Identifier: MIT
/// What a stage that waits for gradients has further reason to look at: what the budget's solver finds for any number
/// of bytes, each with none, some or all of its segments computed again before the gradient is waited for; and what the
/// solver has no reason to look at, the first operations in one go, or the last ones, or those that are cheap for their
/// bytes.
///
/// To compute more of them before costs memory, since they are then alive together, and no time where the stage waits.
#pragma once

#include <remat/partition/stage_ways.hpp>
#include <remat/plan/segment.hpp>

#include <algorithm>
#include <cstddef>
#include <vector>

namespace remat::detail {

class bubble_ways {
 public:
  /// Adds ways to those of a stage, at most about `most`; `base` is what its budgets choose where they do not look at
  /// the pipeline.
  bubble_ways(stage_ways& to, const program& p, const operation_costs& costs, int base, int most) : to_(to) {
    all_ = {stage_ways::keeps_all(), base};
    for (const stage_port& each : to.planner().ports()) waits_ = waits_ || (each.is_gradient && each.receives());
    add_all_of(to[base].choice.ranges, max_ahead);
    std::vector<const budget_choice*> found;
    for (const budget_choice& each : to.grid())
      if (each.on_disk.tensors.empty()) found.push_back(&each);
    const std::size_t kept = std::min(found.size(), static_cast<std::size_t>(std::max(1, most / 4)));
    for (std::size_t k = 0; k < kept; ++k)
      add_all_of(found[k * found.size() / kept]->ranges,
                 std::min(max_ahead, std::max(1, most / static_cast<int>(kept))));
    const slice& covered = to.planner().covered();
    if (waits_ && covered.last - covered.first <= budget_search::most_solved_operations)
      add_runs(p, covered, costs, std::min(24, std::max(1, most / 8)));
  }

  /// Those to choose from, by their numbers.
  const std::vector<int>& all() const { return all_; }

 private:
  static constexpr int max_ahead = 8;

  /// A choice with `variants` numbers of segments ahead, evenly up to all of them, in addition to none.
  void add_all_of(const core::list<chosen_range>& ranges, int variants) {
    add(ranges, 0);
    if (!waits_) return;
    const int outermost = outermost_of(ranges), steps = std::min(variants, outermost);
    for (int k = 1; k <= steps; ++k) add(ranges, outermost * k / steps);
  }
  int outermost_of(const core::list<chosen_range>& ranges) const {
    const plan made = to_.planner().with_segments(ranges);
    return outermost_chosen(made.segments, made.segment_plans).count();
  }
  /// All that is computed again is computed before the gradient is waited for.
  void add_runs(const program& p, const slice& covered, const operation_costs& costs, int most) {
    const int operations = covered.last - covered.first, steps = std::min(operations, most);
    std::vector<double> seconds_per_byte;
    for (int i = covered.first; i < covered.last; ++i) {
      double bytes = 1;
      for (const int t : p.operations[i].outputs) bytes += static_cast<double>(p.tensors[t].bytes(to_.request().batch));
      seconds_per_byte.push_back(costs.operations[static_cast<std::size_t>(i)].forward / bytes);
    }
    std::vector<double> sorted = seconds_per_byte;
    std::ranges::sort(sorted);
    for (int k = 1; k <= steps; ++k) {
      const int count = operations * k / steps;
      add_run(p, covered, [&](int i) { return i < count; });
      if (k == steps) break;  // the same from here
      add_run(p, covered, [&](int i) { return i >= operations - count; });
      add_run(p, covered, [&](int i) {
        return seconds_per_byte[static_cast<std::size_t>(i)] <= sorted[static_cast<std::size_t>(count - 1)];
      });
    }
  }
  /// The runs of operations, counted from the first of the stage, for which a claim holds.
  template <class Claim>
  void add_run(const program& p, const slice& covered, const Claim& is_computed_again) {
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
    add(ranges, outermost_of(ranges));
  }
  void add(const core::list<chosen_range>& ranges, int ahead) { all_.push_back(to_.add({0, ranges, ahead})); }

  stage_ways& to_;
  bool waits_ = false;  // for gradients
  std::vector<int> all_ = {};
};

}  // namespace remat::detail
