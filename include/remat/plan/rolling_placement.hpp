// SPDX-License-Identifier: MIT
/// Placement in the order in which lives begin, or against the order in which they end, each as far down as those that are
/// alive leave room.
///
/// It is for tapes on which tensors leave the arena: what is on its way out and back is a window that moves over tensors
/// which live about as long as each other, and neither stacks nor pairs of gradients describe it. Of equal sizes, it needs no
/// more than what is alive at once.
#pragma once

#include <remat/plan/allocations.hpp>
#include <remat/plan/merge_sort.hpp>

#include <cstddef>

namespace remat::detail {

/// Gives each allocation, in the order of their first actions, its offset; returns the bytes of the region.
constexpr std::size_t place_rolling(core::list<allocation>& allocations, bool from_the_end) {
  core::list<std::size_t> ends(allocations.size()), lives(allocations.size());
  core::list<int> order(allocations.size()), alive(allocations.size());  // the latter in order of offset
  for (int i = 0; i < allocations.count(); ++i) {
    order[i] = i;
    ends[i] = static_cast<std::size_t>(allocations[i].last);
    lives[i] = static_cast<std::size_t>(allocations[i].life());
  }
  if (from_the_end) order = largest_first(ends, lives);
  std::size_t highest = 0;
  int count = 0;
  for (const int i : order) {
    allocation& s = allocations[i];
    int left = 0;
    for (int k = 0; k < count; ++k)
      if (from_the_end ? allocations[alive[k]].first <= s.last : allocations[alive[k]].last >= s.first)
        alive[left++] = alive[k];
    count = left;
    s.offset = 0;
    int place = 0;
    for (; place < count && allocations[alive[place]].offset < s.offset + s.size; ++place)
      s.offset = allocations[alive[place]].offset + allocations[alive[place]].size;
    for (int k = count++; k > place; --k) alive[k] = alive[k - 1];
    alive[place] = i;
    highest = s.offset + s.size > highest ? s.offset + s.size : highest;
  }
  return highest;
}

}  // namespace remat::detail
