// SPDX-License-Identifier: MIT
/// The best way to cut a program into stages of which several are on one rank, stage s on rank s % ranks: the smallest
/// sum of its stages' costs on the rank where that is largest. As in best_cuts.hpp, of the ways that cost about the
/// same, that is taken which ignores the fewest checkpoints, and then that which splits the fewest.
///
/// What a rank holds couples stages that are far apart, so that no table over the last cut answers this. Where there
/// are few ways to cut (up to 100,000), all of them are compared, and the answer is exact. Beyond that, the best cuts
/// for single stages are improved, one cut at a time, until no move of one cut makes the largest sum smaller, and then
/// until none crosses fewer checkpoints at about the same sum.
#pragma once

#include <remat/partition/best_cuts.hpp>

#include <algorithm>
#include <cstddef>
#include <limits>
#include <utility>
#include <vector>

namespace remat {
namespace detail {

template <class Cost>
class rank_search {
 public:
  rank_search(const core::list<cut>& cuts, int operations, int stages, int ranks, const Cost& cost)
      : cuts_(cuts), operations_(operations), stages_(stages), ranks_(ranks), cost_(cost) {
    for (const int before : best_cuts(cuts, operations, stages, cost))
      for (int c = 0; c < cuts.count(); ++c)
        if (cuts[c].before == before) best_.chosen.push_back(c);
  }

  core::list<int> run() {
    if (ranks_ < stages_) {
      search();
      if (!cross_nothing(cuts_)) {
        bound_ = about_the_same * best_.largest_sum;
        minds_checkpoints_ = true;
        search();
      }
    }
    core::list<int> firsts;
    for (const int c : best_.chosen) firsts.push_back(cuts_[c].before);
    return firsts;
  }

 private:
  struct way {
    std::vector<int> chosen = {};  // indices of cuts
    crossed_checkpoints crossed = {};
    double largest_sum = std::numeric_limits<double>::infinity();

    bool is_better_than(const way& other) const {
      return crossed < other.crossed || (crossed == other.crossed && largest_sum < other.largest_sum);
    }
  };

  double ways() const {
    double count = 1;
    for (int k = 1; k < stages_; ++k) count *= static_cast<double>(cuts_.count() - stages_ + 1 + k) / k;
    return count;
  }

  crossed_checkpoints crossed_at(int c) const { return minds_checkpoints_ ? cuts_[c].crossed : crossed_checkpoints{}; }

  way measured(std::vector<int> chosen) const {
    std::vector<double> sums(static_cast<std::size_t>(ranks_));
    const auto cut_before = [&](int k) { return cuts_[chosen[static_cast<std::size_t>(k)]].before; };
    for (int s = 0; s < stages_; ++s)
      sums[static_cast<std::size_t>(s % ranks_)] +=
          cost_(s == 0 ? 0 : cut_before(s - 1), s + 1 == stages_ ? operations_ : cut_before(s), s);
    way made{std::move(chosen), {}, *std::ranges::max_element(sums)};
    for (const int c : made.chosen) made.crossed = made.crossed + crossed_at(c);
    return made;
  }

  /// From the best way that is known to the best that costs no more than the bound.
  void search() {
    best_ = measured(std::move(best_.chosen));
    if (ways() > 100'000) return improve();
    sums_.assign(static_cast<std::size_t>(ranks_), 0.0);
    placed_ = {{}, {}, 0.0};
    place(0);
  }

  /// Tries all cuts after those placed. A rank's sum only grows, and so does what is crossed: a way that is not better
  /// than the best one by now is left.
  void place(int first) {
    const int s = static_cast<int>(placed_.chosen.size());
    const int begin = s == 0 ? 0 : cuts_[placed_.chosen.back()].before;
    double& sum = sums_[static_cast<std::size_t>(s % ranks_)];
    const double before = sum;
    const way as_it_was{{}, placed_.crossed, placed_.largest_sum};
    const bool is_last = s + 1 == stages_;
    for (int c = first; is_last ? c == first : c <= cuts_.count() - (stages_ - 1 - s); ++c) {
      if (!is_last) placed_.crossed = as_it_was.crossed + crossed_at(c);
      placed_.largest_sum = as_it_was.largest_sum;
      if (!placed_.is_better_than(best_)) continue;
      sum = before + cost_(begin, is_last ? operations_ : cuts_[c].before, s);
      placed_.largest_sum = std::max(as_it_was.largest_sum, sum);
      if (placed_.largest_sum > bound_ || !placed_.is_better_than(best_)) continue;
      if (is_last) {
        best_ = placed_;
        continue;
      }
      placed_.chosen.push_back(c);
      place(c + 1);
      placed_.chosen.pop_back();
    }
    sum = before;
    placed_.crossed = as_it_was.crossed;
    placed_.largest_sum = as_it_was.largest_sum;
  }

  void improve() {
    for (bool improved = true; improved;) {
      improved = false;
      for (std::size_t k = 0; k < best_.chosen.size(); ++k) {
        const int from = k == 0 ? 0 : best_.chosen[k - 1] + 1;
        const int to = k + 1 == best_.chosen.size() ? cuts_.count() : best_.chosen[k + 1];
        for (int c = from; c < to; ++c) {
          if (crossed_at(c) > crossed_at(best_.chosen[k])) continue;
          std::vector<int> tried = best_.chosen;
          tried[k] = c;
          way made = measured(std::move(tried));
          if (made.largest_sum > bound_ || !made.is_better_than(best_)) continue;
          best_ = std::move(made);
          improved = true;
        }
      }
    }
  }

  const core::list<cut>& cuts_;
  int operations_, stages_, ranks_;
  const Cost& cost_;
  bool minds_checkpoints_ = false;
  double bound_ = std::numeric_limits<double>::infinity();
  way best_, placed_;
  std::vector<double> sums_;  // per rank, of what is placed
};

}  // namespace detail

/// The first operation of each stage but the first; see best_cuts.hpp.
template <class Cost>
core::list<int> best_cuts_on_ranks(const core::list<cut>& cuts, int operations, int stages, int ranks,
                                   const Cost& cost) {
  return detail::rank_search<Cost>(cuts, operations, stages, ranks, cost).run();
}

}  // namespace remat
