// SPDX-License-Identifier: MIT
/// Placement: where in the arena each storage lives, so that no two that live at once overlap.
///
/// Two families of placements are tried and the smallest is taken:
///
/// - *two ends*, linear in the number of buffers. Backward frees kept tensors in the reverse of the order in which
///   forward made them, so they form a stack at the lower end (recomputation pushes and pops on it). What lives shortly
///   goes to the upper end, into the first gap that is large enough. Of a chain's gradients two are alive at once: they
///   may also alternate between the ends, so that the one which waits for a recomputation is not in the stack's way.
/// - *in order*, quadratic, for short tapes: each storage takes the lowest place that those before it leave, the
/// largest
///   first (Pisarchyk and Lee 2020, "Efficient Memory Management for Deep Neural Net Inference"); then again, with the
///   one that ended highest moved to the front; and the same from an order by size times life.
///
/// What no placement can beat is the maximum of the live sum; `live_maximum` gives it.
#pragma once

#include <remat/core/alignment.hpp>
#include <remat/plan/tape.hpp>

#include <cstddef>

namespace remat {

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
  const buffer* const buffers = t.buffers.data();
  for (int b = 0, end = t.buffers.count(); b < end; ++b) {
    const buffer& here = buffers[b];
    // share_storage has merged the life of those that work in place into the root's. Kept, or recomputed and waiting,
    // is anything but a gradient that backward reads.
    if (here.storage == b)
      found.push_back({b, aligned(here.bytes), here.first, here.last, here.is_gradient,
                       !here.is_gradient && here.last >= t.backward_begins, 0, false});
  }
  return found;
}

enum class gradients { upper, alternate };

/// Sends every second gradient to the lower end; the last one before a value is defined stays at the upper end.
constexpr void choose_ends(list<storage>& storages, gradients where) {
  bool next_upper = true;
  storage* const all = storages.data();
  for (int i = storages.count(); i-- > 0;) {
    storage& s = all[i];
    s.at_upper_end = !s.is_kept;
    if (where == gradients::upper) continue;
    if (s.is_gradient) s.at_upper_end = next_upper;
    next_upper = !s.is_gradient || !next_upper;
  }
}

/// Storages come in the order of their first actions.
constexpr std::size_t place_at_two_ends(list<storage>& storages, gradients where) {
  choose_ends(storages, where);
  const int count = storages.count();
  list<int> both(2 * storages.size());
  storage* const all = storages.data();
  int *const lower = both.data(), *const upper = lower + count;  // alive: a stack, and a list in order of offset
  int lowers = 0, uppers = 0;
  std::size_t highest = 0;
  for (int i = 0; i < count; ++i) {
    storage& s = all[i];
    while (lowers > 0 && all[lower[lowers - 1]].last < s.first) --lowers;
    int alive = 0;
    for (int k = 0; k < uppers; ++k)
      if (all[upper[k]].last >= s.first) upper[alive++] = upper[k];
    uppers = alive;
    s.offset = 0;
    if (!s.at_upper_end) {
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
    if (all[i].at_upper_end) all[i].offset = highest - all[i].offset - all[i].size;
  return highest;
}

/// Each storage in turn takes the lowest place that those before it in `order` leave.
constexpr std::size_t place_in_order(list<storage>& storages, const list<int>& order) {
  list<int> by_offset(storages.size());
  storage* const all = storages.data();
  int* const placed = by_offset.data();
  std::size_t highest = 0;
  int count = 0;
  for (int i : order) {
    storage& s = all[i];
    s.offset = 0;
    for (int k = 0; k < count; ++k) {
      const storage& q = all[placed[k]];
      if (q.last < s.first || s.last < q.first) continue;
      if (q.offset >= s.offset + s.size) break;
      s.offset = q.offset + q.size > s.offset ? q.offset + q.size : s.offset;
    }
    highest = s.offset + s.size > highest ? s.offset + s.size : highest;
    int k = count++;
    for (; k > 0 && all[placed[k - 1]].offset > s.offset; --k) placed[k] = placed[k - 1];
    placed[k] = i;
  }
  return highest;
}

/// Storages by size, or by size times the length of their life; the largest first.
constexpr list<int> largest_first(const list<storage>& storages, bool times_life) {
  list<int> order(storages.size());
  list<std::size_t> weights(storages.size());
  const storage* const all = storages.data();
  int* const sorted = order.data();
  std::size_t* const weight = weights.data();
  for (int i = 0, count = storages.count(); i < count; ++i) {
    weight[i] = all[i].size * (times_life ? static_cast<std::size_t>(all[i].last - all[i].first + 1) : 1);
    int k = i;
    for (; k > 0 && weight[sorted[k - 1]] < weight[i]; --k) sorted[k] = sorted[k - 1];
    sorted[k] = i;
  }
  return order;
}

/// The storage that ends highest moves to the front of the order.
constexpr void put_highest_first(const list<storage>& storages, std::size_t highest, list<int>& order) {
  int at = 0;
  while (storages[order[at]].end() != highest) ++at;
  const int moved = order[at];
  for (; at > 0; --at) order[at] = order[at - 1];
  order[0] = moved;
}

/// How many quadratic placements of so many storages fit into the compilers' limits on constant expressions.
constexpr std::size_t tries_for(std::size_t storages) {
  const std::size_t affordable = 120'000 / (storages * storages + 1);
  return affordable > 60 ? 60 : affordable;
}

}  // namespace detail

/// The maximum over all actions of the bytes alive: a lower bound of every placement.
constexpr std::size_t live_maximum(const tape& t) {
  const int end = t.actions.count();
  list<std::size_t> changes(t.actions.size() + 1);  // unsigned sums wrap and come back
  std::size_t* const change = changes.data();
  const buffer* const buffers = t.buffers.data();
  for (int b = 0, all = t.buffers.count(); b < all; ++b) {
    if (buffers[b].storage != b) continue;
    const std::size_t bytes = aligned(buffers[b].bytes);
    change[buffers[b].first] += bytes;
    change[buffers[b].last + 1] -= bytes;
  }
  std::size_t live = 0, highest = 0;
  for (int now = 0; now < end; ++now) {
    live += change[now];
    highest = live > highest ? live : highest;
  }
  return highest;
}

/// Gives every buffer of the tape its offset; returns the bytes of the region.
constexpr std::size_t place(tape& t) {
  const std::size_t bound = live_maximum(t);
  list<detail::storage> best = detail::storages_of(t);
  std::size_t smallest = detail::place_at_two_ends(best, detail::gradients::alternate);
  auto take_if_smaller = [&](list<detail::storage>& candidate, std::size_t bytes) {
    if (bytes >= smallest) return;
    smallest = bytes;
    best = candidate;
  };
  // A long tape that is this close is left as it is: another try costs a constant expression a tenth of its steps.
  const std::size_t tries = detail::tries_for(best.size());
  if (smallest > bound + (tries > 0 ? 0 : bound / 100)) {
    list<detail::storage> candidate = best;
    take_if_smaller(candidate, detail::place_at_two_ends(candidate, detail::gradients::upper));
  }
  for (const bool times_life : {false, true}) {
    if (smallest == bound || tries == 0) break;
    list<detail::storage> candidate = best;
    list<int> order = detail::largest_first(candidate, times_life);
    for (std::size_t left = times_life ? tries / 2 : (tries + 1) / 2; smallest > bound && left > 0; --left) {
      const std::size_t bytes = detail::place_in_order(candidate, order);
      take_if_smaller(candidate, bytes);
      detail::put_highest_first(candidate, bytes, order);
    }
  }
  for (const detail::storage& s : best) t.buffers[s.buffer].offset = s.offset;
  for (buffer& b : t.buffers) b.offset = t.buffers[b.storage].offset;
  return smallest;
}

}  // namespace remat
