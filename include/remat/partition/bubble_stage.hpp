// SPDX-License-Identifier: MIT
/// A stage whose budgets choose by the simulated step: which of its ways it takes in all micro-batches, and in which of
/// them it keeps more than in others, while the other stages do what they do.
#pragma once

#include <remat/partition/budgeted_rank.hpp>
#include <remat/partition/simulated_runs.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <limits>
#include <utility>
#include <vector>

namespace remat::detail {

class bubble_stage {
 public:
  /// Stage number `local` of a rank, which chooses among these ways. The rank must outlive it.
  bubble_stage(budgeted_rank& rank, std::size_t local, std::vector<int> options)
      : rank_(&rank), local_(local), options_(std::move(options)) {}

  const budgeted_rank* rank() const { return rank_; }
  const std::vector<int>& taken() const { return std::as_const(*rank_).taken(local_); }
  void take(std::vector<int> ways) { rank_->taken(local_) = std::move(ways); }

  /// Tells the simulator what the stage does, or that it keeps everything.
  void tell(simulated_runs& runs) const {
    const std::vector<int>& mine = taken();
    runs.set(ways().number(), ways()[mine[0]].cost);
    for (std::size_t m = 1; m < mine.size(); ++m)
      if (mine[m] != mine[0]) runs.set(ways().number(), static_cast<int>(m), ways()[mine[m]].cost);
  }
  void tell_kept(simulated_runs& runs) const { runs.set(ways().number(), ways()[stage_ways::keeps_all()].cost); }

  /// Takes the way that is best in all micro-batches; returns how long the step then is.
  step_length choose_uniform(simulated_runs& runs) {
    struct option {
      std::array<long long, 3> length;
      int way;
    };
    std::vector<int> before = taken();
    tell(runs);
    const step_length as_before = runs.run();
    std::vector<option> better;
    for (const int w : options_) {
      runs.set(ways().number(), ways()[w].cost);
      const step_length here = runs.run();
      if (here.is_below(as_before)) better.push_back({here.in_units_of(1e-9 * as_before.seconds), w});
    }
    std::ranges::sort(better, {}, [](const option& each) { return std::pair(each.length, each.way); });
    for (const option& each : better) {
      rank_->take(local_, each.way);
      if (!rank_->fits()) continue;
      tell(runs);
      return runs.run();
    }
    take(std::move(before));
    tell(runs);
    return as_before;
  }

  /// Lets single micro-batches keep more than the others, in about `tasks` simulated tasks, of which a step has
  /// `of_step`.
  void mix(simulated_runs& runs, double tasks, double of_step) {
    tell(runs);
    std::vector<int> best = taken();
    step_length shortest = runs.run();
    const double own = ways()[best[0]].seconds();
    std::vector<int> starts{best[0]};
    for (const int w : some_ways(own, std::numeric_limits<double>::max())) starts.push_back(w);
    for (const int start : starts) {
      if ((tasks -= of_step * static_cast<double>(best.size() * most_ways)) < 0) break;
      rank_->take(local_, start);
      if (!rank_->fits()) continue;
      tell(runs);
      const step_length mixed = keep_more(runs, ways()[start].seconds());
      if (!mixed.is_below(shortest)) continue;
      shortest = mixed;
      best = taken();
    }
    take(std::move(best));
    tell(runs);
  }

 private:
  static constexpr std::size_t most_ways = 6;

  const stage_ways& ways() const { return rank_->stage(local_); }

  /// Ways for some micro-batches, evenly spaced in time.
  std::vector<int> some_ways(double from, double to) const {
    std::vector<int> between;
    for (const int w : options_)
      if (ways()[w].seconds() >= from && ways()[w].seconds() <= to) between.push_back(w);
    std::ranges::sort(between, {}, [&](int w) { return std::pair(ways()[w].seconds(), w); });
    std::vector<int> found;
    const std::size_t count = std::min(most_ways, between.size());
    for (std::size_t k = 0; k < count; ++k) found.push_back(between[k * between.size() / count]);
    return found;
  }
  step_length keep_more(simulated_runs& runs, double seconds) {
    std::vector<int>& mine = rank_->taken(local_);
    step_length now = runs.run();
    for (const int w : some_ways(0, seconds))
      for (std::size_t m = 0; m < mine.size(); ++m) {
        const int before = mine[m], number = ways().number();
        if (ways()[before].seconds() <= ways()[w].seconds()) continue;
        runs.set(number, static_cast<int>(m), ways()[w].cost);
        const step_length here = runs.run();
        mine[m] = w;
        if (here.is_below(now) && rank_->fits()) {
          now = here;
          continue;
        }
        mine[m] = before;
        runs.set(number, static_cast<int>(m), ways()[before].cost);
      }
    return now;
  }

  budgeted_rank* rank_;
  std::size_t local_;
  std::vector<int> options_;
};

}  // namespace remat::detail
