// SPDX-License-Identifier: MIT
/// Allocations: what placement places. Buffers that work in place share one, and it lives as long as all of them.
#pragma once

#include <remat/core/alignment.hpp>
#include <remat/plan/tape.hpp>

#include <cstddef>
#include <utility>

namespace remat::detail {

struct allocation {
  int buffer = core::none;
  std::size_t size = 0;
  int first = 0, last = 0;  ///< actions
  bool is_gradient = false;
  bool is_kept = false;        ///< a value that waits for backward: of the forward pass, or recomputed
  bool is_recomputed = false;  ///< the latter
  std::size_t offset = 0;

  constexpr int life() const { return last - first + 1; }
  constexpr std::size_t area() const { return size * static_cast<std::size_t>(last - first + 1); }
};

/// Those of a region, in the order of their first actions; of those that begin together, the one that lives longest
/// first.
constexpr core::list<allocation> allocations_of(const tape& t, int region) {
  core::list<allocation> found;
  found.reserve(t.buffers.size());
  const buffer* const buffers = t.buffers.data();
  const int backward = t.end_of(forward_section);
  for (int b = 0, end = t.buffers.count(); b < end; ++b) {
    const buffer& here = buffers[b];
    // work_in_place has merged the life of those that work in place into the root's.
    if (here.allocation != b || here.region != region) continue;
    const bool is_value = !here.is_gradient;
    found.push_back({b, aligned(here.bytes, t.alignment), here.first, here.last, here.is_gradient,
                     is_value && here.last >= backward, is_value && here.first >= backward, 0});
    allocation* const all = found.data();
    for (int i = found.count(); --i > 0 && all[i - 1].first == all[i].first && all[i - 1].last < all[i].last;)
      std::swap(all[i - 1], all[i]);
  }
  return found;
}

/// The bytes of a region that are alive at each action, of sizes that are rounded up to an alignment.
constexpr core::list<std::size_t> live_bytes(const tape& t, int region, std::size_t to) {
  core::list<std::size_t> live(t.actions.size() + 1);
  std::size_t* const changes = live.data();  // unsigned sums wrap and come back
  const buffer* const buffers = t.buffers.data();
  for (int b = 0, all = t.buffers.count(); b < all; ++b) {
    if (buffers[b].allocation != b || buffers[b].region != region) continue;
    changes[buffers[b].first] += aligned(buffers[b].bytes, to);
    changes[buffers[b].last + 1] -= aligned(buffers[b].bytes, to);
  }
  for (int now = 1, end = live.count(); now < end; ++now) changes[now] += changes[now - 1];
  return live;
}
constexpr core::list<std::size_t> live_bytes(const tape& t, int region) { return live_bytes(t, region, t.alignment); }

}  // namespace remat::detail
