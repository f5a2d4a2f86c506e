// SPDX-License-Identifier: MIT
/// Placement: where in the arena each storage lives, so that no two that live at once overlap.
///
/// Two families of placements are tried and the smallest is taken:
///
/// - *two ends*, linear in the number of buffers. Backward frees kept tensors in the reverse of the order in which
///   forward made them, so they form a stack at the lower end (recomputation pushes and pops on it). What lives shortly
///   goes to the upper end, into the first gap that is large enough; gradients, two of which are alive on a chain, may
///   also alternate between the ends, beginning at either.
/// - *largest first*, quadratic, for short tapes: each storage takes the lowest place that those placed before it leave
///   (as in Pisarchyk and Lee 2020, "Efficient Memory Management for Deep Neural Net Inference").
///
/// What no placement can beat is the maximum of the live sum; `live_maximum` gives it.
#pragma once

#include <remat/plan/tape.hpp>

#include <cstddef>

namespace remat {

/// Every storage begins at a multiple of this, and its size is rounded up to it before sizes are summed.
inline constexpr std::size_t alignment = 64;

constexpr std::size_t aligned(std::size_t bytes) { return (bytes + alignment - 1) / alignment * alignment; }

namespace detail {

/// A storage: the merged life of the buffers in it. `offset` counts from the lower or from the upper end.
struct storage {
  int buffer = none;
  std::size_t size = 0;
  int first = 0, last = 0;
  bool is_gradient = false, is_kept = false;
  std::size_t offset = 0;
  bool at_upper_end = false;

  constexpr std::size_t end() const { return offset + size; }
};

constexpr list<storage> storages_of(const tape& t) {
  list<storage> found;
  found.reserve(t.buffers.size());
  for (int b = 0; b < t.buffers.count(); ++b) {
    const buffer& here = t.buffers[b];
    if (here.storage != b) continue;  // share_storage has merged its life into the root's
    storage s;
    s.buffer = b;
    s.size = aligned(here.bytes);
    s.first = here.first;
    s.last = here.last;
    s.is_gradient = here.is_gradient;
    // Kept, or recomputed and waiting: anything but a gradient that backward reads.
    s.is_kept = !here.is_gradient && here.last >= t.backward_begins;
    found.push_back(s);
  }
  return found;
}

enum class gradients { upper, alternate_from_lower, alternate_from_upper };

/// Storages come in the order of their first actions.
constexpr std::size_t place_at_two_ends(list<storage>& storages, gradients where) {
  list<int> lower, upper;  // alive: a stack, and a list in order of offset
  std::size_t highest = 0;
  bool next_upper = where != gradients::alternate_from_lower;
  for (int i = 0; i < storages.count(); ++i) {
    storage& s = storages[i];
    while (!lower.empty() && storages[lower.back()].last < s.first) lower.pop_back();
    int alive = 0;
    for (int k = 0; k < upper.count(); ++k)
      if (storages[upper[k]].last >= s.first) upper[alive++] = upper[k];
    while (upper.count() > alive) upper.pop_back();

    s.at_upper_end = !s.is_kept;
    if (s.is_gradient && where != gradients::upper) {
      s.at_upper_end = next_upper;
      next_upper = !next_upper;
    }
    if (!s.at_upper_end) {
      s.offset = lower.empty() ? 0 : storages[lower.back()].end();
      lower.push_back(i);
    } else {
      s.offset = 0;
      int place = 0;
      while (place < upper.count() && storages[upper[place]].offset < s.end()) s.offset = storages[upper[place++]].end();
      upper.push_back(i);
      for (int k = upper.count() - 1; k > place; --k) upper[k] = upper[k - 1];
      upper[place] = i;
    }
    const std::size_t low = lower.empty() ? 0 : storages[lower.back()].end();
    const std::size_t high = upper.empty() ? 0 : storages[upper.back()].end();
    if (low + high > highest) highest = low + high;
  }
  for (storage& s : storages)
    if (s.at_upper_end) s.offset = highest - s.end();
  return highest;
}

constexpr std::size_t place_largest_first(list<storage>& storages) {
  list<int> order, placed;
  order.reserve(storages.size());
  placed.reserve(storages.size());
  for (int i = 0; i < storages.count(); ++i) {
    order.push_back(i);
    for (int k = order.count() - 1; k > 0 && storages[order[k - 1]].size < storages[order[k]].size; --k) {
      const int larger = order[k];
      order[k] = order[k - 1];
      order[k - 1] = larger;
    }
  }
  std::size_t highest = 0;
  for (int i : order) {
    storage& s = storages[i];
    s.offset = 0;
    s.at_upper_end = false;
    for (int other : placed) {
      const storage& q = storages[other];
      if (q.last < s.first || s.last < q.first) continue;
      if (q.offset >= s.end()) break;
      if (q.end() > s.offset) s.offset = q.end();
    }
    if (s.end() > highest) highest = s.end();
    placed.push_back(i);
    for (int k = placed.count() - 1; k > 0 && storages[placed[k - 1]].offset > storages[placed[k]].offset; --k) {
      const int above = placed[k - 1];
      placed[k - 1] = placed[k];
      placed[k] = above;
    }
  }
  return highest;
}

/// Above this many storages the quadratic placement would not fit into the compilers' limits on constant expressions.
inline constexpr int largest_first_limit = 96;

}  // namespace detail

/// The maximum over all actions of the bytes alive: a lower bound of every placement.
constexpr std::size_t live_maximum(const tape& t) {
  list<std::size_t> born(t.actions.size() + 1), dead(t.actions.size() + 1);
  for (int b = 0; b < t.buffers.count(); ++b) {
    const buffer& here = t.buffers[b];
    if (here.storage != b) continue;
    born[here.first] += aligned(here.bytes);
    dead[here.last + 1] += aligned(here.bytes);
  }
  std::size_t live = 0, highest = 0;
  for (std::size_t now = 0; now < born.size(); ++now) {
    live += born[now];
    live -= dead[now];
    if (live > highest) highest = live;
  }
  return highest;
}

/// Gives every buffer of the tape its offset; returns the bytes of the region.
constexpr std::size_t place(tape& t) {
  list<detail::storage> best = detail::storages_of(t);
  std::size_t smallest = detail::place_at_two_ends(best, detail::gradients::upper);
  auto take_if_smaller = [&](list<detail::storage>& candidate, std::size_t bytes) {
    if (bytes >= smallest) return;
    smallest = bytes;
    best = candidate;
  };
  const std::size_t bound = live_maximum(t);
  for (auto where : {detail::gradients::alternate_from_lower, detail::gradients::alternate_from_upper}) {
    if (smallest == bound) break;
    list<detail::storage> candidate = best;
    take_if_smaller(candidate, detail::place_at_two_ends(candidate, where));
  }
  if (smallest > bound && best.count() <= detail::largest_first_limit) {
    list<detail::storage> candidate = best;
    take_if_smaller(candidate, detail::place_largest_first(candidate));
  }
  for (const detail::storage& s : best) t.buffers[s.buffer].offset = s.offset;
  for (buffer& b : t.buffers) b.offset = t.buffers[b.storage].offset;
  return smallest;
}

}  // namespace remat
