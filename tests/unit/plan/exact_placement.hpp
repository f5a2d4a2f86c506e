// SPDX-License-Identifier: MIT
/// The smallest region that allocations can be placed in: dynamic storage allocation by branch and bound, exponential,
/// for comparison with what `place` finds.
///
/// In some best placement every allocation is on the ground or on another that lives at the same time. So allocations
/// are placed from below, each on the highest of those already placed that it meets. A branch is left where, at some
/// time, what is placed and what is yet to come do not fit into the region together.
#pragma once

#include <remat/plan/allocations.hpp>

#include <algorithm>
#include <cstddef>
#include <functional>
#include <utility>
#include <vector>

/// Proved: no placement needs less than `at_least`; one of `at_most` is known.
struct exact_placement {
  std::size_t at_least = 0, at_most = 0;
};

class exact_placement_search {
 public:
  explicit exact_placement_search(const remat::core::list<remat::detail::allocation>& allocations)
      : allocations_(allocations.begin(), allocations.end()), is_placed_(allocations.size()), floors_(allocations.size()) {
    std::ranges::sort(allocations_, std::greater(), &remat::detail::allocation::area);
    for (const auto& s : allocations_) {
      live_.resize(std::max(live_.size(), static_cast<std::size_t>(s.last) + 1));
      for (int now = s.first; now <= s.last; ++now) live_[static_cast<std::size_t>(now)] += s.size;
    }
    tops_.resize(live_.size());
    to_come_ = live_;
  }

  /// From the maximum of the live sum upward, as far as the budget of branches goes.
  exact_placement run(std::size_t known, long branches) {
    exact_placement found{*std::ranges::max_element(live_), known};
    branches_ = branches;
    for (; found.at_least < found.at_most; found.at_least += remat::alignment) {
      if (fits(found.at_least, 0, 0)) found.at_most = found.at_least;
      if (branches_ <= 0 || found.at_least == found.at_most) break;
    }
    return found;
  }

 private:
  /// Whether those not yet placed fit at `ground`, of these only those from index `from` on, or above.
  bool fits(std::size_t region, std::size_t ground, std::size_t from) {
    if (branches_-- <= 0) return false;
    for (std::size_t now = 0; now < live_.size(); ++now)
      if (to_come_[now] > 0 && std::max(tops_[now], ground) + to_come_[now] > region) return false;
    std::vector<std::size_t> next;
    bool is_done = true;
    for (std::size_t i = 0; i < allocations_.size(); ++i) {
      if (is_placed_[i]) continue;
      is_done = false;
      floors_[i] = 0;
      for (int now = allocations_[i].first; now <= allocations_[i].last; ++now)
        floors_[i] = std::max(floors_[i], tops_[static_cast<std::size_t>(now)]);
      if (floors_[i] > ground || (floors_[i] == ground && i >= from)) next.push_back(i);
    }
    if (is_done) return true;
    std::ranges::sort(next, {}, [&](std::size_t i) { return std::pair(floors_[i], i); });
    const std::vector<std::size_t> floors = floors_;
    for (const std::size_t i : next) {
      const auto& s = allocations_[i];
      const auto begin = static_cast<std::size_t>(s.first), end = static_cast<std::size_t>(s.last) + 1;
      const std::vector<std::size_t> before(tops_.begin() + s.first, tops_.begin() + s.last + 1);
      for (std::size_t now = begin; now < end; ++now) {
        tops_[now] = floors[i] + s.size;
        to_come_[now] -= s.size;
      }
      is_placed_[i] = true;
      const bool found = fits(region, floors[i], i + 1);
      is_placed_[i] = false;
      for (std::size_t now = begin; now < end; ++now) {
        tops_[now] = before[now - begin];
        to_come_[now] += s.size;
      }
      if (found) return true;
      if (branches_ <= 0) return false;
    }
    return false;
  }

  std::vector<remat::detail::allocation> allocations_;
  std::vector<bool> is_placed_;
  std::vector<std::size_t> floors_;
  std::vector<std::size_t> live_, tops_, to_come_;  // per action: bytes alive; where the highest placed ends; unplaced
  long branches_ = 0;
};
