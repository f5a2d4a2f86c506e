// SPDX-License-Identifier: MIT
/// The best way to cut a program into stages of which several lie on one rank, stage s on rank s % ranks: the smallest
/// sum of its stages' costs on the rank where that is largest.
///
/// What a rank holds couples stages that are far apart, so that no table over the last cut answers this. Where there
/// are few ways to cut (up to 100,000), all of them are compared, and the answer is exact. Beyond that, the best cuts
/// for single stages (best_cuts.hpp) are improved, one cut at a time, until no move of one cut makes the largest sum
/// smaller. No checkpointed subtree is crossed that need not be, either way.
#pragma once

#include <remat/dist/best_cuts.hpp>

#include <algorithm>
#include <cstddef>
#include <limits>
#include <vector>

namespace remat {
namespace detail {

template <class Cost>
class rank_search {
 public:
  rank_search(const list<cut>& cuts, int operations, int stages, int ranks, const Cost& cost)
      : cuts_(cuts), operations_(operations), stages_(stages), ranks_(ranks), cost_(cost) {
    for (const int before : best_cuts(cuts, operations, stages, cost))
      for (int c = 0; c < cuts.count(); ++c)
        if (cuts[c].before == before) best_.push_back(c);
    for (const int c : best_) fewest_crossed_ += cuts[c].crosses;
    least_ = largest_sum(best_);
  }

  list<int> run() {
    if (ranks_ < stages_) {
      if (ways() <= 100'000)
        compare_all();
      else
        improve();
    }
    list<int> chosen;
    for (const int c : best_) chosen.push_back(cuts_[c].before);
    return chosen;
  }

 private:
  double ways() const {
    double count = 1;
    for (int k = 1; k < stages_; ++k) count *= static_cast<double>(cuts_.count() - stages_ + 1 + k) / k;
    return count;
  }

  double largest_sum(const std::vector<int>& chosen) const {
    std::vector<double> sums(static_cast<std::size_t>(ranks_));
    for (int s = 0; s < stages_; ++s) {
      const auto cut_before = [&](int k) { return cuts_[chosen[static_cast<std::size_t>(k)]].before; };
      sums[static_cast<std::size_t>(s % ranks_)] +=
          cost_(s == 0 ? 0 : cut_before(s - 1), s + 1 == stages_ ? operations_ : cut_before(s), s);
    }
    return *std::ranges::max_element(sums);
  }

  void compare_all() {
    chosen_.clear();
    sums_.assign(static_cast<std::size_t>(ranks_), 0.0);
    place(0, 0);
  }

  /// Tries all cuts behind those chosen. A rank's sum only grows, so a way that reaches the least known one is left.
  void place(int first, int crossed) {
    const int s = static_cast<int>(chosen_.size());
    const int begin = s == 0 ? 0 : cuts_[chosen_.back()].before;
    double& sum = sums_[static_cast<std::size_t>(s % ranks_)];
    const double before = sum;
    if (s + 1 == stages_) {
      sum = before + cost_(begin, operations_, s);
      if (const double largest = *std::ranges::max_element(sums_); largest < least_) {
        least_ = largest;
        best_ = chosen_;
      }
      sum = before;
      return;
    }
    for (int c = first; c <= cuts_.count() - (stages_ - 1 - s); ++c) {
      if (crossed + cuts_[c].crosses > fewest_crossed_) continue;
      sum = before + cost_(begin, cuts_[c].before, s);
      if (sum < least_) {
        chosen_.push_back(c);
        place(c + 1, crossed + cuts_[c].crosses);
        chosen_.pop_back();
      }
    }
    sum = before;
  }

  void improve() {
    for (bool improved = true; improved;) {
      improved = false;
      for (std::size_t k = 0; k < best_.size(); ++k) {
        std::vector<int> tried = best_;
        const int from = k == 0 ? 0 : best_[k - 1] + 1, to = k + 1 == best_.size() ? cuts_.count() : best_[k + 1];
        for (tried[k] = from; tried[k] < to; ++tried[k]) {
          if (cuts_[tried[k]].crosses > cuts_[best_[k]].crosses) continue;
          if (const double sum = largest_sum(tried); sum < least_) {
            least_ = sum;
            best_ = tried;
            improved = true;
          }
        }
      }
    }
  }

  const list<cut>& cuts_;
  int operations_, stages_, ranks_;
  const Cost& cost_;
  std::vector<int> best_, chosen_;  // indices of cuts
  std::vector<double> sums_;        // per rank
  int fewest_crossed_ = 0;
  double least_ = std::numeric_limits<double>::infinity();
};

}  // namespace detail

/// The first operation of each stage but the first; see best_cuts.hpp.
template <class Cost>
list<int> best_cuts_on_ranks(const list<cut>& cuts, int operations, int stages, int ranks, const Cost& cost) {
  return detail::rank_search<Cost>(cuts, operations, stages, ranks, cost).run();
}

}  // namespace remat
