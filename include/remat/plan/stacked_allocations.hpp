// SPDX-License-Identifier: MIT
/// Stacking: which allocations are on each other without a gap.
///
/// Values that wait for backward are freed in the reverse of the order in which they were made, and recomputation
/// pushes and pops on them: their lives nest as brackets do. Not all: of a segment, the output may be read (by a relu's
/// mask) when the recomputation has begun. Of two values whose lives cross, the one that lives longer stays on the
/// stack, unless more than itself is in its way.
#pragma once

#include <remat/plan/allocations.hpp>

#include <cstddef>

namespace remat::detail {

enum class stacking {
  nothing,
  forward,  ///< values of the forward pass whose lives nest
  nested,   ///< also those of a recomputation
  leaning   ///< also one that outlives the value below it by little; a gap stays until it goes
};

/// For each allocation, whether it is on the stack.
constexpr core::list<int> stacked(const core::list<allocation>& allocations, stacking how) {
  const int count = allocations.count();
  core::list<int> found(allocations.size()), alive(allocations.size()), ends(allocations.size());
  if (how == stacking::nothing) return found;
  core::list<std::size_t> areas(allocations.size());
  const allocation* const all = allocations.data();
  int *const on_stack = found.data(), *const stack = alive.data(), *const end = ends.data();
  std::size_t* const kept_off = areas.data();  // per allocation: bytes times actions of those that it kept off the stack
  for (int pass = 0; pass < 2; ++pass) {
    int height = 0;
    for (int i = 0; i < count; ++i) {
      const allocation& s = all[i];
      on_stack[i] = 0;
      if (!s.is_kept || (how == stacking::forward && s.is_recomputed) || kept_off[i] > s.area()) continue;
      while (height > 0 && end[stack[height - 1]] < s.first) --height;
      int below = height;
      for (; below > 0 && end[stack[below - 1]] < s.last; --below) {
        const allocation& crossed = all[stack[below - 1]];
        if (how == stacking::leaning && (s.last - crossed.last) * 16 <= crossed.life())
          end[stack[below - 1]] = s.last;
        else if (crossed.life() >= s.life())
          break;
      }
      if (below > 0 && end[stack[below - 1]] < s.last) {
        kept_off[stack[below - 1]] += s.area();
        continue;
      }
      int stays = below;
      for (int k = below; k < height; ++k) {
        on_stack[stack[k]] = end[stack[k]] >= s.last;
        if (on_stack[stack[k]]) stack[stays++] = stack[k];
      }
      stack[stays] = i;
      height = stays + 1;
      end[i] = s.last;
      on_stack[i] = 1;
    }
  }
  return found;
}

}  // namespace remat::detail
