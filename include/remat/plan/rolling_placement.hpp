// SPDX-License-Identifier: MIT
/// Placement in the order in which lives begin, or against the order in which they end, each as far down as those that
/// are alive leave room.
///
/// It is for tapes on which tensors leave the arena: what is on its way out and back is a window that moves over
/// tensors which live about as long as each other, and neither stacks nor pairs of gradients describe it. Of equal
/// sizes, it needs no more than what is alive at once.
#pragma once

#include <remat/plan/allocations.hpp>
#include <remat/plan/merge_sort.hpp>

#include <cstddef>
#include <limits>

namespace remat::detail {

/// The bytes that nobody uses, in order.
class free_bytes {
 public:
  /// The lowest offset with room for some, which are used from here on. Where there is nothing to place, it is 0, which
  /// is in nobody's middle.
  constexpr std::size_t take(std::size_t bytes) {
    if (bytes == 0) return 0;
    int k = 0;
    while (gaps_.data()[k].end - gaps_.data()[k].begin < bytes) ++k;
    gap& here = gaps_.data()[k];
    const std::size_t at = here.begin;
    here.begin += bytes;
    if (here.begin == here.end) erase(k);
    return at;
  }
  constexpr void give_back(std::size_t begin, std::size_t bytes) {
    if (bytes == 0) return;
    int after = 0;
    for (int last = gaps_.count() - 1; after < last;) {
      const int middle = after + (last - after) / 2;
      if (gaps_.data()[middle].begin < begin)
        after = middle + 1;
      else
        last = middle;
    }
    const bool meets_before = after > 0 && gaps_[after - 1].end == begin,
               meets_after = gaps_[after].begin == begin + bytes;
    if (meets_before) gaps_[after - 1].end = meets_after ? gaps_[after].end : begin + bytes;
    if (meets_after && !meets_before) gaps_[after].begin = begin;
    if (meets_before && meets_after) erase(after);
    if (meets_before || meets_after) return;
    gaps_.push_back({});
    for (int k = gaps_.count() - 1; k > after; --k) gaps_.data()[k] = gaps_.data()[k - 1];
    gaps_[after] = {begin, begin + bytes};
  }

 private:
  struct gap {
    std::size_t begin = 0, end = 0;
  };
  constexpr void erase(int k) {
    for (; k + 1 < gaps_.count(); ++k) gaps_.data()[k] = gaps_.data()[k + 1];
    gaps_.pop_back();
  }

  core::list<gap> gaps_{gap{0, std::numeric_limits<std::size_t>::max()}};  // the last one has no end
};

/// Gives each allocation, in the order of their first actions, its offset; returns the bytes of the region.
constexpr std::size_t place_rolling(core::list<allocation>& allocations, bool from_the_end) {
  core::list<std::size_t> ends(allocations.size()), lives(allocations.size());
  for (int i = 0; i < allocations.count(); ++i) {
    ends[i] = static_cast<std::size_t>(allocations[i].last);
    lives[i] = static_cast<std::size_t>(allocations[i].life());
  }
  // In one direction allocations begin in the order in which they are, and end against this one; in the other it is
  // this one.
  const core::list<int> by_end = largest_first(ends, lives);
  const int count = allocations.count();
  free_bytes free;
  std::size_t highest = 0;
  for (int k = 0, gone = 0; k < count; ++k) {
    allocation& s = allocations[from_the_end ? by_end[k] : k];
    for (; gone < k; ++gone) {
      const allocation& old = allocations[from_the_end ? count - 1 - gone : by_end[count - 1 - gone]];
      if (from_the_end ? old.first <= s.last : old.last >= s.first) break;
      free.give_back(old.offset, old.size);
    }
    s.offset = free.take(s.size);
    highest = s.offset + s.size > highest ? s.offset + s.size : highest;
  }
  return highest;
}

}  // namespace remat::detail
