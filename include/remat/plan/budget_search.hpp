// SPDX-License-Identifier: MIT
/// The plan of a program with budgets: of all that a grid of choices gives (budget_choices.hpp), the fastest whose memory,
/// as it is placed, is within the bytes.
///
/// Keeping everything is tried first. The choices do not depend on the bytes, so that more bytes never take more time.
#pragma once

#include <remat/core/error.hpp>
#include <remat/plan/budget_choices.hpp>
#include <remat/plan/training_planner.hpp>

#include <cstddef>
#include <string>
#include <utility>

namespace remat::detail {

/// What a plan's segments compute again costs.
constexpr double recomputation_cost(const program& p, const plan& made, const operation_costs* costs) {
  double sum = 0;
  for (const segment_plan& s : made.segment_plans)
    for (const int i : s.recomputed)
      sum += costs != nullptr ? costs->operations[static_cast<std::size_t>(i)].forward
                              : p.operations[i].flops * static_cast<double>(made.batch);
  return sum;
}

class budget_search {
 public:
  constexpr budget_search(const training_planner& planner, const program& p, const plan_request& request)
      : planner_(planner), p_(p), request_(request) {}

  constexpr plan run() {
    plan all = planner_.make();
    const std::size_t limit = *budget_of(p_, request_, bytes_in_flight(all));
    if (bytes_in_flight(all) <= limit) return all;
    find_candidates(all.live_bytes);
    for (const candidate& each : candidates_) {
      plan made = planner_.with_segments(each.ranges);
      planner_.write_tape(made);
      if (!made.covered.splits && live_maximum(made.steps) > limit) continue;
      planner_.place(made);
      if (bytes_in_flight(made) <= limit) return made;
    }
    const std::size_t smallest = smallest_bytes(bytes_in_flight(all));
    throw error("a budget of " + std::to_string(limit) + " bytes is too small for a batch of " +
                std::to_string(request_.batch) + ": the smallest with which a step fits is " +
                std::to_string(smallest));
  }

  /// The smallest budget for which there is a plan.
  constexpr std::size_t smallest() {
    const plan all = planner_.make();
    find_candidates(all.live_bytes);
    return smallest_bytes(bytes_in_flight(all));
  }

  struct candidate {
    double again = 0;
    core::list<chosen_range> ranges = {};
  };
  /// The choices of the grid, the fastest first.
  constexpr const core::list<candidate>& find_candidates(std::size_t save_all_bytes) {
    const slice& covered = planner_.covered();
    budget_problems problems(p_, request_, covered, planner_.ports(), planner_.needs(),
                             grid_for(covered.last - covered.first, save_all_bytes), rounding::even);
    core::list<candidate> found;
    for (int quanta = problems.least(); quanta <= problems.levels(); ++quanta) {
      if (quanta > problems.least() && !(problems.again(quanta) < problems.again(quanta - 1))) continue;
      candidate made{0, problems.choice(quanta).ranges};
      made.again = recomputation_cost(p_, planner_.with_segments(made.ranges), request_.costs);
      found.push_back(static_cast<candidate&&>(made));
    }
    // The fastest are last, as they are found; the order is that of the plans' own costs.
    for (int k = found.count(); k-- > 0;) {
      candidates_.push_back(static_cast<candidate&&>(found[k]));
      for (int at = candidates_.count() - 1; at > 0 && candidates_[at].again < candidates_[at - 1].again; --at)
        std::swap(candidates_[at], candidates_[at - 1]);
    }
    return candidates_;
  }

 private:
  constexpr std::size_t smallest_bytes(std::size_t save_all_bytes) const {
    std::size_t least = save_all_bytes;
    for (const candidate& each : candidates_) {
      const std::size_t bytes = bytes_in_flight(planner_.make(each.ranges));
      least = bytes < least ? bytes : least;
    }
    return least;
  }

  const training_planner& planner_;
  const program& p_;
  const plan_request& request_;
  core::list<candidate> candidates_ = {};
};

}  // namespace remat::detail
