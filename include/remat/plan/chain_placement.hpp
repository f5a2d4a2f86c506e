// SPDX-License-Identifier: MIT
/// Placement at two ends, for chains; linear in the number of allocations.
///
/// Backward frees kept values in the reverse of the order in which forward made them, so they form a stack at the lower
/// end (recomputation pushes and pops on it). What lives shortly goes to the upper end, into the first gap that is
/// large enough. Of a chain's gradients two are alive at once: they alternate between the ends, so that the one which
/// waits for a recomputation is not in the stack's way.
#pragma once

#include <remat/plan/allocations.hpp>

#include <cstddef>

namespace remat::detail {

/// For each allocation, whether it goes to the upper end. Every second gradient does not; the last one before a value
/// is defined does.
constexpr core::list<int> upper_ends(const core::list<allocation>& allocations) {
  core::list<int> found(allocations.size());
  const allocation* const all = allocations.data();
  int* const upper = found.data();
  bool next_upper = true;
  for (int i = allocations.count(); i-- > 0;) {
    upper[i] = all[i].is_gradient ? next_upper : !all[i].is_kept;
    next_upper = !all[i].is_gradient || !next_upper;
  }
  return found;
}

/// Gives each allocation its offset; returns the bytes of the region.
constexpr std::size_t place_chain(core::list<allocation>& allocations) {
  const core::list<int> ends = upper_ends(allocations);
  const int count = allocations.count();
  core::list<int> both(2 * allocations.size());
  allocation* const all = allocations.data();
  const int* const is_upper = ends.data();
  int *const lower = both.data(), *const upper = lower + count;  // alive: a stack, and a list in order of offset
  int lowers = 0, uppers = 0;
  std::size_t highest = 0;
  for (int i = 0; i < count; ++i) {
    allocation& s = all[i];
    while (lowers > 0 && all[lower[lowers - 1]].last < s.first) --lowers;
    int alive = 0;
    for (int k = 0; k < uppers; ++k)
      if (all[upper[k]].last >= s.first) upper[alive++] = upper[k];
    uppers = alive;
    s.offset = 0;
    if (!is_upper[i]) {
      if (lowers > 0) s.offset = all[lower[lowers - 1]].offset + all[lower[lowers - 1]].size;
      lower[lowers++] = i;
    } else {
      int place = 0;
      for (; place < uppers && all[upper[place]].offset < s.offset + s.size; ++place)
        s.offset = all[upper[place]].offset + all[upper[place]].size;
      for (int k = uppers++; k > place; --k) upper[k] = upper[k - 1];
      upper[place] = i;
    }
    const std::size_t low = lowers == 0 ? 0 : all[lower[lowers - 1]].offset + all[lower[lowers - 1]].size;
    const std::size_t high = uppers == 0 ? 0 : all[upper[uppers - 1]].offset + all[upper[uppers - 1]].size;
    highest = low + high > highest ? low + high : highest;
  }
  for (int i = 0; i < count; ++i)
    if (is_upper[i]) all[i].offset = highest - all[i].offset - all[i].size;
  return highest;
}

}  // namespace remat::detail
