// SPDX-License-Identifier: MIT
/// The best way to cut a program into stages, by dynamic programming over the last cut.
///
/// First, as few checkpointed subtrees as possible are crossed: none, where enough legal cuts exist. Then the largest
/// cost of a stage is as small as possible. Of several such ways, the one with the smallest sum of squared costs is
/// taken, so that stages beside the most expensive one are even, too. All three are exact, for any cost.
///
/// Costs stages x cuts^2 / 2 questions for the cost of a stage, less those that cannot improve on what is known. For a
/// `cost_sum`, which only grows with its range, these are few: 1,024 stages of 4,097 operations take seconds.
#pragma once

#include <remat/dist/cuts.hpp>

#include <cstddef>
#include <limits>

namespace remat {

/// A cost that is a sum over a stage's operations, of numbers of at least 0.
class cost_sum {
 public:
  static constexpr bool grows_with_range = true;

  constexpr explicit cost_sum(const list<double>& costs) : before_(costs.size() + 1) {
    for (int i = 0; i < costs.count(); ++i) before_[i + 1] = before_[i] + costs[i];
  }
  constexpr double operator()(int first, int last, int /*stage*/) const { return before_[last] - before_[first]; }

 private:
  list<double> before_;
};

namespace detail {

/// The best of the ways to reach a cut with so many stages.
struct way {
  int crosses = 0;
  double cost = std::numeric_limits<double>::infinity();
  int from = none;  ///< the cut before it, as an index; `none` where there is no way

  constexpr bool is_better_than(const way& other) const {
    return other.from == none || crosses < other.crosses || (crosses == other.crosses && cost < other.cost);
  }
};

template <class Cost>
class cut_search {
 public:
  constexpr cut_search(const list<cut>& cuts, int operations, int stages, const Cost& cost)
      : stages_(stages), cost_(cost) {
    points_.push_back({0, 0});
    for (const cut& each : cuts) points_.push_back(each);
    points_.push_back({operations, 0});
  }

  constexpr list<int> run() {
    search(std::numeric_limits<double>::infinity(),
           [](double before, double stage) { return before > stage ? before : stage; });
    const double largest = at(stages_, points_.count() - 1).cost;
    search(largest, [](double before, double stage) { return before + stage * stage; });
    list<int> chosen(static_cast<std::size_t>(stages_ - 1));
    for (int s = stages_, e = points_.count() - 1; s > 1; --s) {
      e = at(s, e).from;
      chosen[s - 2] = points_[e].before;
    }
    return chosen;
  }

 private:
  constexpr way& at(int stages, int end) { return ways_[stages * points_.count() + end]; }

  /// Fills the table, with stages that cost no more than `bound`.
  template <class Sum>
  constexpr void search(double bound, const Sum& sum) {
    const int last = points_.count() - 1;
    ways_ = list<way>(static_cast<std::size_t>((stages_ + 1) * points_.count()));
    at(0, 0) = {0, 0.0, 0};
    for (int s = 1; s <= stages_; ++s)
      for (int e = s == stages_ ? last : s; e <= last - (stages_ - s); ++e)
        for (int b = e; b-- > s - 1;) {
          const way& before = at(s - 1, b);
          way here{before.crosses + points_[e].crosses, before.cost, b};
          if (before.from == none || !here.is_better_than(at(s, e))) continue;  // a stage costs no less than nothing
          const double stage = cost_(points_[b].before, points_[e].before, s - 1);
          if (only_worse_before(stage, bound, sum(0.0, stage), at(s, e), points_[e].crosses)) break;
          here.cost = sum(before.cost, stage);
          if (stage <= bound && here.is_better_than(at(s, e))) at(s, e) = here;
        }
  }

  /// Whether no stage that begins earlier, and so costs no less, makes a better way than `best`, which crosses what any
  /// way does at least.
  static constexpr bool only_worse_before(double stage, double bound, double least, const way& best, int fewest) {
    if constexpr (requires { Cost::grows_with_range; })
      return stage > bound || (best.from != none && best.crosses == fewest && least >= best.cost);
    return false;
  }

  int stages_;
  const Cost& cost_;
  list<cut> points_;  // both ends, and the cuts between them
  list<way> ways_;
};

}  // namespace detail

/// The first operation of each stage but the first. `cost(first, last, stage)` is that of the operations [first, last),
/// a number of at least 0. There must be at least `stages - 1` cuts.
template <class Cost>
constexpr list<int> best_cuts(const list<cut>& cuts, int operations, int stages, const Cost& cost) {
  return detail::cut_search<Cost>(cuts, operations, stages, cost).run();
}

}  // namespace remat
