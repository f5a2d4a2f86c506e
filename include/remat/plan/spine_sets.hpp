// SPDX-License-Identifier: MIT
/// Sets of the tensors of a spine's frontiers: what they weigh, what becomes of them further on, and which of them the
/// backward pass of an operation reads.
#pragma once

#include <remat/plan/spine_needs.hpp>

namespace remat::detail {

class spine_sets {
 public:
  /// A read of an operation's backward pass: which tensor of the frontier, or one of its own.
  struct read {
    int bit = core::none, tensor = core::none, weight = 0, last_moment = 0;
  };

  constexpr spine_sets(const spine& s, const spine_needs& needs) : spine_(s), needs_(needs) {
    for (int i = 0; i < s.count; ++i) add_reads(i);
  }

  /// Those of operation i that a solver counts.
  constexpr const core::list<read>& reads(int i) const { return reads_.data()[i]; }
  /// Of the frontier before i, what it reads at the last moment of its backward pass: that stays in any case.
  constexpr frontier_set to_the_end(int i) const { return to_the_end_.data()[i]; }

  constexpr int weight_of(int s, frontier_set some) const {
    int sum = 0;
    for (int k = 0; some != 0; ++k, some >>= 1)
      if (some & 1) sum += spine_.weight.data()[spine_.frontier.data()[s].data()[k]];
    return sum;
  }
  /// Of a set of the frontier before s, those in the one before `to`.
  constexpr frontier_set carried(int s, frontier_set some, int to) const {
    frontier_set found = 0;
    const core::list<int>& there = spine_.frontier.data()[to];
    for (int k = 0; some != 0; ++k, some >>= 1)
      if (some & 1)
        for (int j = 0, all = there.count(); j < all; ++j)
          if (there.data()[j] == spine_.frontier.data()[s].data()[k]) found |= frontier_set{1} << j;
    return found;
  }
  /// Of the frontier before `to`, what [s, to) makes, without what stays for the backward pass of that segment.
  constexpr frontier_set made_in(int s, spine_end to) const {
    frontier_set found = 0;
    const core::list<int>& there = spine_.frontier.data()[to.at];
    for (int j = 0, all = there.count(); j < all; ++j) {
      const int t = there.data()[j];
      if (spine_.producer.data()[t] >= s && !needs_.is_boundary(t, to)) found |= frontier_set{1} << j;
    }
    return found;
  }

  /// The operation may write over this tensor of the frontier: nobody holds it, and nobody reads it later.
  constexpr bool is_given_up(int s, int tensor, frontier_set unheld, frontier_set next) const {
    const core::list<int>& front = spine_.frontier.data()[s];
    for (int k = 0; k < front.count(); ++k)
      if (front.data()[k] == tensor)
        return (unheld >> k & 1) != 0 && (carried(s, frontier_set{1} << k, s + 1) & next) == 0;
    return false;
  }

 private:
  constexpr void add_reads(int i) {
    const spine_operation& o = spine_.operations[i];
    core::list<read> reads;
    frontier_set to_the_end = 0;
    const core::list<int>& front = spine_.frontier[i];
    for (const spine_read& each : o.reads) {
      int bit = 0;
      while (bit < front.count() && front[bit] != each.tensor) ++bit;
      if (bit == front.count()) bit = core::none;
      if (bit == core::none && spine_.producer[each.tensor] != i) continue;  // beyond the largest frontier
      reads.push_back({bit, each.tensor, spine_.weight[each.tensor], each.last_moment});
      if (bit != core::none && each.tensor != o.overwritten && each.last_moment + 1 >= o.gradients.count())
        to_the_end |= frontier_set{1} << bit;
    }
    reads_.push_back(static_cast<core::list<read>&&>(reads));
    to_the_end_.push_back(to_the_end);
  }

  const spine& spine_;
  const spine_needs& needs_;
  core::list<core::list<read>> reads_;
  core::list<frontier_set> to_the_end_;
};

}  // namespace remat::detail
