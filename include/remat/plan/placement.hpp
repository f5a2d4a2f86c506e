// SPDX-License-Identifier: MIT
/// Placement: where in the arena each allocation lives, so that no two that live at once overlap.
///
/// Where tensors leave the arena, windows of transfers are placed as they come, or as they go (rolling_placement.hpp).
/// Chains are placed in one go (chain_placement.hpp). Where that leaves gaps, allocations of one size are placed next
/// to each other (equal_placement.hpp), or a stack of what waits for backward and the rest
/// in several orders are tried (stack_placement.hpp), until none is left or the budget is spent; the smallest placement
/// is taken. The budget depends on the tape alone, so that `static_assert` and run time find the same placement.
///
/// What no placement can beat is the maximum of the live sum; `live_maximum` gives it.
#pragma once

#include <remat/plan/chain_placement.hpp>
#include <remat/plan/equal_placement.hpp>
#include <remat/plan/rolling_placement.hpp>
#include <remat/plan/stack_placement.hpp>

#include <cstddef>
#include <iterator>

namespace remat {

namespace detail {

struct attempt {
  stacking how;
  order by;
};
inline constexpr attempt attempts[] = {{stacking::nested, order::by_pressure},  {stacking::leaning, order::by_pressure},
                                       {stacking::forward, order::by_pressure}, {stacking::nothing, order::by_pressure},
                                       {stacking::nothing, order::by_life},     {stacking::nothing, order::by_area}};

/// The budget of a placement. Up to about 500 operations it leaves the rest of the planner what it needs of the steps
/// that clang allows a constant expression; longer tapes than 1,600 allocations do not fit in any case. Of very long
/// ones it is a fixed number for each allocation, so that planning them takes linear time.
constexpr long looks_for(int allocations) {
  if (allocations > 1'600) return allocations > 3'000 ? 500L * allocations : 1'500'000;
  const long affordable = 690'000 - 280L * allocations, useful = 16'000L * allocations;
  return useful < affordable ? useful : affordable;
}

constexpr std::size_t maximum_of(const core::list<std::size_t>& values) {
  const std::size_t* const all = values.data();
  std::size_t highest = 0;
  for (int i = 0, count = values.count(); i < count; ++i) highest = all[i] > highest ? all[i] : highest;
  return highest;
}

/// Improves a placement of this height until it reaches the goal or the budget is spent; returns its height.
constexpr std::size_t improve(core::list<allocation>& best, std::size_t height, std::size_t goal,
                              const core::list<std::size_t>& live) {
  long left = looks_for(best.count());
  long attempts_left = static_cast<long>(std::size(attempts));
  bool has_placed = false;
  for (const auto [how, by] : attempts) {
    const long share = left / attempts_left;
    --attempts_left;
    if (height <= goal || left < stack_placement::looks_at(best)) break;
    if (how == stacking::leaning && has_placed) continue;  // it is for tapes that are too long for the first
    stack_placement candidate(best, live.count(), how);
    const long enough = left + left / 8;  // to end what has begun
    if (candidate.looks() + candidate.looks_needed() < enough) {
      candidate.meet(live);
      candidate.sort(by);
      do {
        const std::size_t found = candidate.place(height, enough);
        if (found < height) {
          height = found;
          candidate.write(best, height);
          has_placed = true;
        }
        candidate.put_highest_first();
      } while (height > goal && candidate.looks() < share);
    }
    left -= candidate.looks();
  }
  return height;
}

/// A placement of this height is left as it is: of a long tape, one that is within a hundredth of what no other is
/// below.
constexpr std::size_t goal_of(const core::list<allocation>& allocations, const core::list<std::size_t>& live) {
  const std::size_t bound = maximum_of(live);
  return bound + (allocations.count() > 350 ? bound / 100 : 0);
}

/// Gives each allocation, in the order of their first moments, its offset; returns the bytes of the region.
constexpr std::size_t place(core::list<allocation>& allocations, const core::list<std::size_t>& live) {
  const std::size_t goal = goal_of(allocations, live);
  std::size_t height = place_chain(allocations);
  if (height <= goal) return height;
  if (const std::size_t size = common_size(allocations); size > 0) {
    core::list<allocation> equal = allocations;
    if (const std::size_t found = place_equal(equal, size); found < height) {
      height = found;
      allocations = static_cast<core::list<allocation>&&>(equal);
    }
  }
  return height > goal ? improve(allocations, height, goal, live) : height;
}

/// Of tapes on which tensors leave the arena.
constexpr std::size_t place_with_transfers(core::list<allocation>& allocations, const core::list<std::size_t>& live) {
  const std::size_t goal = goal_of(allocations, live);
  std::size_t height = place_rolling(allocations, false);
  for (const bool is_rolling : {true, false}) {
    if (height <= (is_rolling ? maximum_of(live) : goal)) break;
    core::list<allocation> other = allocations;
    const std::size_t found = is_rolling ? place_rolling(other, true) : place(other, live);
    if (found >= height) continue;
    height = found;
    allocations = static_cast<core::list<allocation>&&>(other);
  }
  return height;
}

}  // namespace detail

/// The maximum over all actions of the bytes alive in a region: a lower bound of every placement.
constexpr std::size_t live_maximum(const tape& t, int region = 0) {
  return detail::maximum_of(detail::live_bytes(t, region, alignment));
}

namespace detail {

/// Where the last buffer of a region ends: what is rounded up to more than the alignment may be longer than it is used.
constexpr std::size_t end_of_region(const tape& t, int region) {
  std::size_t end = 0;
  for (const buffer& b : t.buffers)
    if (b.region == region && b.offset + aligned(b.bytes) > end) end = b.offset + aligned(b.bytes);
  return end;
}

}  // namespace detail

/// Gives every buffer of a region its offset; returns the bytes of the region.
constexpr std::size_t place(tape& t, int region = 0) {
  core::list<detail::allocation> allocations = detail::allocations_of(t, region);
  const core::list<std::size_t> live = detail::live_bytes(t, region);
  std::size_t height =
      t.has_transfers ? detail::place_with_transfers(allocations, live) : detail::place(allocations, live);
  for (const detail::allocation& s : allocations) t.buffers[s.buffer].offset = s.offset;
  for (buffer& b : t.buffers)
    if (b.region == region) b.offset = t.buffers[b.allocation].offset;
  if (t.has_transfers) height = detail::end_of_region(t, region);
  return height;
}

}  // namespace remat
