// SPDX-License-Identifier: MIT
/// The best way to cut a program into stages, by dynamic programming over the last cut.
///
/// Balance comes first. Of the ways whose most expensive stage costs about as little as can be (`about_the_same`: 5 %
/// more at most), that is taken which ignores the fewest checkpoints, then that which splits the fewest (cuts.hpp),
/// then that whose most expensive stage costs least, and then that with the smallest sum of squared costs, so that the
/// other stages are even, too. All of it is exact, for any cost.
///
/// Costs stages x cuts^2 / 2 questions for the cost of a stage, less those that cannot improve on what is known. For a
/// `cost_sum`, which only grows with its range, these are few: 1,024 stages of 4,097 operations take a second.
#pragma once

#include <remat/core/error.hpp>
#include <remat/core/is_at_least_0.hpp>
#include <remat/partition/cuts.hpp>

#include <cstddef>
#include <limits>

namespace remat {

/// How much more than the least a way to cut may cost for the sake of checkpoints.
inline constexpr double about_the_same = 1.05;

/// A cost that is a sum over a stage's operations, of numbers of at least 0. Throws `error` where all of them together
/// are more than a number holds.
class cost_sum {
 public:
  static constexpr bool grows_with_range = true;

  constexpr explicit cost_sum(const core::list<double>& costs) : before_(costs.size() + 1) {
    for (int i = 0; i < costs.count(); ++i) before_[i + 1] = before_[i] + costs[i];
    if (!detail::is_at_least_0(before_.back()))
      throw error("the costs of the operations add up to more than a number holds; give smaller ones");
  }
  constexpr double operator()(int first, int last, int /*stage*/) const { return before_[last] - before_[first]; }

 private:
  core::list<double> before_;
};

namespace detail {

/// The best of the ways to reach a cut with this many stages.
struct way {
  crossed_checkpoints crossed = {};
  double cost = std::numeric_limits<double>::infinity();
  int from = core::none;  ///< the cut before it, as an index; `none` where there is no way

  constexpr bool is_better_than(const way& other) const {
    return other.from == core::none || crossed < other.crossed || (crossed == other.crossed && cost < other.cost);
  }
};

template <class Cost>
class cut_search {
 public:
  constexpr cut_search(const core::list<cut>& cuts, int operations, int stages, const Cost& cost)
      : stages_(stages), cost_(cost), minds_checkpoints_(!cross_nothing(cuts)) {
    points_.push_back({0, {}});
    for (const cut& each : cuts) points_.push_back(each);
    points_.push_back({operations, {}});
  }

  constexpr core::list<int> run() {
    const auto larger = [](double before, double stage) { return before > stage ? before : stage; };
    const auto with_square = [](double before, double stage) { return before + stage * stage; };
    search(std::numeric_limits<double>::infinity(), larger, false);
    if (minds_checkpoints_) search(about_the_same * least(), larger, true);
    search(least(), with_square, minds_checkpoints_);
    core::list<int> chosen(static_cast<std::size_t>(stages_ - 1));
    for (int s = stages_, e = points_.count() - 1; s > 1; --s) {
      e = at(s, e).from;
      chosen[s - 2] = points_[e].before;
    }
    return chosen;
  }

 private:
  constexpr way& at(int stages, int end) {
    return ways_[static_cast<std::size_t>(stages) * points_.size() + static_cast<std::size_t>(end)];
  }
  /// What the search before found: the cost of all stages.
  constexpr double least() { return at(stages_, points_.count() - 1).cost; }

  /// Fills the table, with stages that cost no more than `bound`.
  template <class Sum>
  constexpr void search(double bound, const Sum& sum, bool minds_checkpoints) {
    const int last = points_.count() - 1;
    ways_ = core::list<way>((static_cast<std::size_t>(stages_) + 1) * points_.size());
    at(0, 0) = {{}, 0.0, 0};
    for (int s = 1; s <= stages_; ++s)
      for (int e = s == stages_ ? last : s; e <= last - (stages_ - s); ++e) {
        const crossed_checkpoints crossed_here = minds_checkpoints ? points_[e].crossed : crossed_checkpoints{};
        for (int b = e; b-- > s - 1;) {
          if constexpr (requires { Cost::grows_with_range; })
            if (cost_(points_[b].before, points_[e].before, s - 1) > bound) break;
          const way& before = at(s - 1, b);
          way here{before.crossed + crossed_here, before.cost, b};
          if (before.from == core::none || !here.is_better_than(at(s, e)))
            continue;  // a stage costs no less than nothing
          const double stage = cost_(points_[b].before, points_[e].before, s - 1);
          if (only_worse_before(sum(0.0, stage), at(s, e), crossed_here)) break;
          here.cost = sum(before.cost, stage);
          if (stage <= bound && here.is_better_than(at(s, e))) at(s, e) = here;
        }
      }
  }

  /// Whether no stage that begins earlier, and so costs no less, makes a better way than `best`, which crosses what any
  /// way does at least.
  static constexpr bool only_worse_before(double least, const way& best, const crossed_checkpoints& fewest) {
    if constexpr (requires { Cost::grows_with_range; })
      return best.from != core::none && best.crossed == fewest && least >= best.cost;
    return false;
  }

  int stages_;
  const Cost& cost_;
  bool minds_checkpoints_;
  core::list<cut> points_;  // both ends, and the cuts between them
  core::list<way> ways_;
};

}  // namespace detail

/// The first operation of each stage but the first. `cost(first, last, stage)` is that of the operations [first, last),
/// a number of at least 0. There must be at least `stages - 1` cuts.
template <class Cost>
constexpr core::list<int> best_cuts(const core::list<cut>& cuts, int operations, int stages, const Cost& cost) {
  return detail::cut_search<Cost>(cuts, operations, stages, cost).run();
}

}  // namespace remat
