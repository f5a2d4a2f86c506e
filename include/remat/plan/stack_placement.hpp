// SPDX-License-Identifier: MIT
/// Placement of a stack and of the rest, for every tape.
///
/// The stack is at the lower end. The rest is pushed against the upper end: one allocation after the other, each as far
/// up as those before it leave room (Pisarchyk and Lee 2020, "Efficient Memory Management for Deep Neural Net
/// Inference", place all allocations so, the largest first). The region is as high as stack and rest are at the action
/// that needs most. So only allocations of the rest that live at once meet: of a deep network with checkpoints these
/// are its gradients, a residual's among them, and what lives for an action or two. With nothing stacked, all are the
/// rest.
///
/// A try ends at the first allocation that does not fit below the best height so far. That allocation moves to the
/// front of the order, for the next try. What is done is counted in looks from one allocation at another, since it has
/// to fit into the limits on constant expressions; a look costs clang about one of its steps.
#pragma once

#include <remat/core/alignment.hpp>
#include <remat/plan/merge_sort.hpp>
#include <remat/plan/stacked_allocations.hpp>

#include <cstddef>

namespace remat::detail {

enum class order {
  by_pressure,  ///< the most bytes alive at some time of its life; then the highest stack; then the longest life
  by_life,      ///< then size
  by_area       ///< size times life
};

class stack_placement {
 public:
  constexpr stack_placement(const core::list<allocation>& allocations, int actions, stacking how)
      : stack_offsets_(allocations.size()), heights_(static_cast<std::size_t>(actions)) {
    stack_up(allocations, stacked(allocations, how));
  }

  /// What it takes to look at them all, at the beginning.
  static constexpr long looks_at(const core::list<allocation>& allocations) { return 50L * allocations.count(); }
  /// About what meeting and the first placement take, in looks from one allocation at another.
  constexpr long looks_needed() const { return 8 * meetings_ + lives_ + 75 * rest_.count(); }
  /// What was done so far.
  constexpr long looks() const { return looks_; }

  /// Before anything else. `live`: the bytes alive at each action.
  constexpr void meet(const core::list<std::size_t>& live) {
    look_around(live);
    meet_neighbours();
  }

  constexpr void sort(order by) {
    forget();
    highest_ = 0;
    core::list<std::size_t> keys(rest_.size()), second_keys(rest_.size());
    for (int i = 0; i < rest_.count(); ++i) {
      const item& s = rest_[i];
      const std::size_t life = static_cast<std::size_t>(s.last - s.first + 1);
      keys[i] = by == order::by_pressure ? s.pressure : by == order::by_life ? life : s.size * life;
      second_keys[i] = by == order::by_pressure ? s.floor / alignment * heights_.size() + life : s.size;
    }
    order_ = largest_first(keys, second_keys);
    looks_ += 33 * rest_.count();
  }

  /// The height of the region; or, where it would not be below `limit` or not found by `last_look`, at least that.
  constexpr std::size_t place(std::size_t limit, long last_look) {
    forget();
    item* const rest = rest_.data();
    const int *const sorted = order_.data(), *const neighbours = neighbours_.data();
    looks_ += 10;
    std::size_t highest = highest_stack_;
    for (const int count = order_.count(); placed_ < count && highest < limit && looks_ < last_look;) {
      const int i = sorted[placed_++];
      item& s = rest[i];
      const std::size_t size = s.size;
      const int begin = s.earlier_begin, end = s.earlier_end, later_end = s.later_end;
      std::size_t at = 0, before = 0;
      do {
        before = at;
        for (int k = begin; k < end; ++k)
          if (rest[neighbours[k]].offset < at + size && rest[neighbours[k]].end > at) at = rest[neighbours[k]].end;
        for (int k = i + 1; k < later_end; ++k)
          if (rest[k].offset < at + size && rest[k].end > at) at = rest[k].end;
        looks_ += end - begin + later_end - i + 6;
      } while (at > before);
      looks_ += 12;
      s.offset = at;
      s.end = at + size;
      if (s.floor + s.end > highest) {
        highest = s.floor + s.end;
        highest_ = placed_ - 1;
      }
    }
    return placed_ == order_.count() || highest > limit ? highest : limit;
  }

  /// Every sixteenth time one from anywhere goes before it, so that the tries do not run in a circle.
  constexpr void put_highest_first() {
    if (order_.empty()) return;
    put_first(highest_);
    if (++tries_ % 16 == 0) put_first(tries_ * 31 % order_.count());
  }

  /// Writes the offsets of a placement of this height.
  constexpr void write(core::list<allocation>& allocations, std::size_t height) const {
    allocation* const all = allocations.data();
    for (int i = 0, count = allocations.count(); i < count; ++i) all[i].offset = stack_offsets_.data()[i];
    for (const item& s : rest_) all[s.allocation].offset = height - s.end;
  }

 private:
  struct item {
    int allocation = core::none;
    std::size_t size = 0;
    int first = 0, last = 0;
    std::size_t floor = 0, pressure = 0;     ///< in its life: the highest stack, and the most bytes alive
    int earlier_begin = 0, earlier_end = 0;  ///< neighbours that began before it
    int later_end = 0;                       ///< those after it in `rest_` up to here begin in its life
    std::size_t offset = 0, end = 0;         ///< from the upper end; 0 and 0 where not placed
  };

  constexpr void stack_up(const core::list<allocation>& allocations, const core::list<int>& on_stack) {
    core::list<int> alive(allocations.size()), begun(heights_.size());
    const allocation* const all = allocations.data();
    std::size_t *const offsets = stack_offsets_.data(), *const heights = heights_.data();
    int *const stack = alive.data(), *const rest_begun = begun.data();
    rest_.reserve(allocations.size());
    int depth = 0, next = 0;
    for (int now = 0, count = allocations.count(), actions = heights_.count(); now < actions; ++now) {
      while (depth > 0 && all[stack[depth - 1]].last < now) --depth;
      for (; next < count && all[next].first == now; ++next) {
        if (!on_stack.data()[next]) {
          rest_.push_back({next, all[next].size, now, all[next].last});
        } else {
          if (depth > 0) offsets[next] = offsets[stack[depth - 1]] + all[stack[depth - 1]].size;
          stack[depth++] = next;
        }
      }
      rest_begun[now] = rest_.count();
      if (depth > 0) heights[now] = offsets[stack[depth - 1]] + all[stack[depth - 1]].size;
    }
    item* const rest = rest_.data();
    for (int i = 0, count = rest_.count(); i < count; ++i) {
      rest[i].later_end = rest_begun[rest[i].last];
      meetings_ += rest[i].later_end - i - 1;
      lives_ += rest[i].last - rest[i].first + 1;
    }
    looks_ = looks_at(allocations);
  }

  constexpr void look_around(const core::list<std::size_t>& live) {
    const std::size_t *const alive = live.data(), *const heights = heights_.data();
    for (int now = 0, actions = heights_.count(); now < actions; ++now)
      if (heights[now] > highest_stack_) highest_stack_ = heights[now];
    for (item& s : rest_) {
      std::size_t floor = 0, pressure = 0;
      for (int now = s.first; now <= s.last; ++now)  // one statement: a step of clang's
        floor = heights[now] > floor ? heights[now] : floor, pressure = alive[now] > pressure ? alive[now] : pressure;
      s.floor = floor;
      s.pressure = pressure;
    }
    looks_ += lives_ + 10 * rest_.count();
  }

  /// The neighbours that began before it are, for each allocation, those of the one before it that still live, and it.
  constexpr void meet_neighbours() {
    neighbours_ = core::list<int>(static_cast<std::size_t>(meetings_) + rest_.size() + 1);
    item* const rest = rest_.data();
    int* const found = neighbours_.data();
    for (int i = 0, begin = 0, end = 0; i < rest_.count(); ++i) {
      const int old_begin = begin, first = rest[i].first;
      begin = end;
      for (int k = old_begin; k < begin; ++k)
        if (rest[found[k]].last >= first) found[end++] = found[k];
      if (i > 0 && rest[i - 1].last >= first) found[end++] = i - 1;
      rest[i].earlier_begin = begin;
      rest[i].earlier_end = end;
    }
    looks_ += 3 * meetings_;
  }

  constexpr void put_first(int at) {
    int* const sorted = order_.data();
    const int moved = sorted[at];
    for (int n = at; n > 0; --n) sorted[n] = sorted[n - 1];
    sorted[0] = moved;
    looks_ += at;
  }

  constexpr void forget() {
    looks_ += placed_;
    while (placed_ > 0) rest_.data()[order_.data()[--placed_]].end = 0;
  }

  core::list<std::size_t> stack_offsets_, heights_;  // per allocation; per action
  std::size_t highest_stack_ = 0;
  core::list<item> rest_;  // in the order of their first actions
  core::list<int> neighbours_, order_;
  int placed_ = 0, highest_ = 0, tries_ = 0;  // in `order_`: how many are placed; which ends highest
  long meetings_ = 0, lives_ = 0, looks_ = 0;
};

}  // namespace remat::detail
