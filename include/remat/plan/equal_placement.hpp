// SPDX-License-Identifier: MIT
/// Placement of allocations most of which have one size, such as those of a uniform chain.
///
/// Those of the largest size take the lowest place that is free when they begin: as many places as live at once,
/// whatever their lives are, so that no memory is lost among them. What is at most half as large goes to the upper end,
/// into the first gap that is large enough.
#pragma once

#include <remat/plan/allocations.hpp>

#include <cstddef>

namespace remat::detail {

/// The largest size, where no other is more than half of it; else 0.
constexpr std::size_t common_size(const core::list<allocation>& allocations) {
  std::size_t largest = 0;
  for (const allocation& each : allocations) largest = each.size > largest ? each.size : largest;
  for (const allocation& each : allocations)
    if (2 * each.size > largest && each.size != largest) return 0;
  return largest;
}

/// Gives each allocation, in the order of their first moments, its offset; returns the bytes of the region.
constexpr std::size_t place_equal(core::list<allocation>& allocations, std::size_t size) {
  const int count = allocations.count();
  allocation* const all = allocations.data();
  core::list<int> places, upper;  // the last moment of who has each place; those at the upper end, in order of offset
  std::size_t highest = 0;
  for (int i = 0; i < count; ++i) {
    allocation& s = all[i];
    int alive = 0;
    for (int k = 0; k < upper.count(); ++k)
      if (all[upper[k]].last >= s.first) upper[alive++] = upper[k];
    while (upper.count() > alive) upper.pop_back();
    if (s.size == size) {
      int at = 0;
      while (at < places.count() && places[at] >= s.first) ++at;
      if (at == places.count()) places.push_back(0);
      places[at] = s.last;
      s.offset = static_cast<std::size_t>(at) * size;
    } else {
      int at = 0;
      s.offset = 0;
      for (; at < upper.count() && all[upper[at]].offset < s.offset + s.size; ++at)
        s.offset = all[upper[at]].offset + all[upper[at]].size;
      upper.push_back(i);
      for (int k = upper.count() - 1; k > at; --k) {
        upper[k] = upper[k - 1];
        upper[k - 1] = i;
      }
    }
    int used = places.count();
    while (used > 0 && places[used - 1] < s.first) --used;
    const std::size_t high = upper.empty() ? 0 : all[upper.back()].offset + all[upper.back()].size;
    const std::size_t here = static_cast<std::size_t>(used) * size + high;
    highest = here > highest ? here : highest;
  }
  for (allocation& s : allocations)
    if (s.size != size) s.offset = highest - s.offset - s.size;
  return highest;
}

}  // namespace remat::detail
