// SPDX-License-Identifier: MIT
/// Plans of budgets that may take tensors out of the arena, to a disk: of what some prices of its use give for a grid
/// of quanta (spine_solver.hpp), the fastest whose memory, as it is placed, is within the bytes.
///
/// How long a step takes is known from its tape: what its operations cost, and what it waits for transfers
/// (transfer_times.hpp). Of up to six operations all schedules are candidates, with every choice of what is on the disk
/// and of how many transfers are under way. The candidates do not depend on the bytes, so that more of them never take
/// more time.
#pragma once

#include <remat/plan/budget_choices.hpp>
#include <remat/plan/disk_price_grid.hpp>
#include <remat/plan/segment.hpp>
#include <remat/plan/spine_trees.hpp>
#include <remat/plan/training_planner.hpp>
#include <remat/plan/transfer_times.hpp>

#include <algorithm>
#include <cstddef>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

namespace remat::detail {

class disk_search {
 public:
  /// All schedules of as many operations are looked at, where as many tensors at most may be on the disk.
  static constexpr int most_exact_operations = 6, most_exact_tensors = 12;

  disk_search(const training_planner& planner, const program& p, const plan_request& request, const step_times& times)
      : planner_(planner), p_(p), request_(request), times_(times), is_serial_(waits_for_each_transfer(p)) {}

  /// The fastest that fits and takes less than `limit`; none where there is none. `may_fit` is asked about the bytes
  /// alive at once, `fits` about a plan.
  template <class MayFit, class Fits>
  std::optional<plan> fastest(double limit, const MayFit& may_fit, const Fits& fits) {
    find_candidates();
    std::optional<plan> best;
    for (const candidate& each : candidates_) {
      if (each.least >= limit) break;
      plan made = written(each);
      const double time = times_.of(made);
      if (time >= limit || (!made.covered.splits && !may_fit(live_maximum(made.steps)))) continue;
      planner_.place(made);
      if (!fits(made)) continue;
      best = std::move(made);
      limit = time;
    }
    return best;
  }
  /// All candidates, each with the time that it takes more than to keep everything.
  std::vector<budget_choice> choices() {
    find_candidates();
    std::vector<budget_choice> all;
    for (const candidate& each : candidates_)
      all.push_back({times_.of(written(each)) - kept_time_, each.ranges, 0, each.on_disk});
    return all;
  }
  /// The fewest bytes that any takes, as `bytes_of` says of a plan.
  template <class BytesOf>
  std::size_t smallest(const BytesOf& bytes_of) {
    find_candidates();
    std::size_t least = std::numeric_limits<std::size_t>::max();
    for (const candidate& each : candidates_) {
      plan made = written(each);
      planner_.place(made);
      least = std::min(least, bytes_of(made));
    }
    return least;
  }

 private:
  struct candidate {
    double least = 0;  ///< it takes at least this long
    core::list<chosen_range> ranges;
    disk_use on_disk;
    std::size_t order = 0;  ///< in which they were found
  };

  plan written(const candidate& c) const {
    plan made = planner_.with_segments(c.ranges);
    made.on_disk = c.on_disk;
    planner_.write_tape(made);
    return made;
  }

  void find_candidates() {
    if (is_found_) return;
    is_found_ = true;
    const slice& covered = planner_.covered();
    for (const moving_time& each : moving_times(p_, request_, covered, times_.second()))
      transfers_.push_back(each.sum());
    const plan all = planner_.make();
    kept_time_ = predicted_cost(all, times_.costs());
    const memory_grid grid = grid_for(covered.last - covered.first, all.live_bytes);
    budget_problems problems(p_, request_, covered, planner_.ports(), planner_.needs(), grid, rounding::even);
    int movable = 0;
    for (const double each : transfers_) movable += each >= 0 ? 1 : 0;
    if (problems.outer() != nullptr && covered.last - covered.first <= most_exact_operations &&
        movable <= most_exact_tensors) {
      add_all(*problems.outer());
    } else {
      for (const double price : disk_price_grid)
        if ((!is_serial_ || price == 1) && problems.set_price(price, transfers_)) add_of_grid(problems);
    }
    for (std::size_t k = 0; k < candidates_.size(); ++k) candidates_[k].order = k;
    std::ranges::sort(candidates_, {}, [](const candidate& c) { return std::pair(c.least, c.order); });
  }

  void add_of_grid(budget_problems& problems) {
    for (int quanta = problems.least(); quanta <= problems.levels(); ++quanta) {
      if (quanta > problems.least() && !(problems.again(quanta) < problems.again(quanta - 1))) continue;
      budget_choice found = problems.choice(quanta);
      if (!found.on_disk.tensors.empty()) add(std::move(found.ranges), std::move(found.on_disk.tensors));
    }
  }
  void add(core::list<chosen_range> ranges, core::list<int> outside) {
    const double again = recomputation_cost(p_, planner_.with_segments(ranges), request_.costs);
    for (const candidate& each : candidates_)
      if (each.least == kept_time_ + again && std::ranges::equal(each.on_disk.tensors, outside) &&
          are_same(each.ranges, ranges))
        return;
    add_windows({kept_time_ + again, std::move(ranges), {std::move(outside)}, 0});
  }
  /// With as many transfers under way as the storage says, and with fewer, which take less memory.
  void add_windows(candidate c) {
    for (const int most : {disk_use::as_windows_say, 1, 0}) {
      c.on_disk.most_under_way = most;
      candidates_.push_back(c);
      if (is_serial_) return;  // all are the same
    }
  }

  /// Every schedule, with each set of what it keeps on the disk.
  void add_all(const spine& chain) {
    for (const core::list<spine_segment>& tree : spine_trees(p_, chain).all()) {
      candidate c;
      for (const spine_segment& s : tree) c.ranges.push_back({chain.first + s.first, chain.first + s.last, s.staying});
      const plan made = planner_.with_segments(c.ranges);
      c.least = kept_time_ + recomputation_cost(p_, made, request_.costs);
      core::list<int> movable;
      for (int t = 0; t < transfers_.count(); ++t)
        if (transfers_[t] >= 0) movable.push_back(t);
      core::list<int> waiting;
      for (const stored_value& each : stored_values(p_, planner_.covered(), planner_.ports(), made.segments,
                                                    made.segment_plans, planner_.needs(), request_.batch, movable))
        waiting.push_back(each.tensor);
      for (unsigned set = 1; set < 1u << waiting.count(); ++set) {
        c.on_disk.tensors.clear();
        for (int k = 0; k < waiting.count(); ++k)
          if (set >> k & 1) c.on_disk.tensors.push_back(waiting[k]);
        add_windows(c);
      }
    }
  }

  const training_planner& planner_;
  const program& p_;
  const plan_request& request_;
  const step_times& times_;
  bool is_serial_;
  core::list<double> transfers_;
  double kept_time_ = 0;
  bool is_found_ = false;
  std::vector<candidate> candidates_;
};

}  // namespace remat::detail
