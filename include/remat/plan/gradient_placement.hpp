// SPDX-License-Identifier: MIT
/// Where the gradients of parameters are in a step that updates them: in the region of activations, as any other
/// buffer. What a layer's backward pass has freed, and what later layers' will need, holds the gradients of this one.
///
/// Activations have the size that they have without gradients; a plan says what gradients need in addition. Where all
/// of them together do not find a placement that is smaller than one after the other, they are placed so.
#pragma once

#include <remat/plan/placement.hpp>

#include <cstddef>

namespace remat {

namespace detail {

/// Both, in the order of their first actions; of those that begin together, the one that lives longest first.
constexpr core::list<allocation> in_order(const core::list<allocation>& a, const core::list<allocation>& b) {
  core::list<allocation> both;
  both.reserve(a.size() + b.size());
  int i = 0, k = 0;
  while (i < a.count() || k < b.count()) {
    const bool takes_a =
        k == b.count() ||
        (i < a.count() && (a[i].first != b[k].first ? a[i].first < b[k].first : a[i].last >= b[k].last));
    both.push_back(takes_a ? a[i++] : b[k++]);
  }
  return both;
}

}  // namespace detail

/// Places the buffers of `gradient_region` of a tape whose activations have their places, in region 0, which they are
/// of then; activations may move. Returns what gradients need in addition.
constexpr std::size_t place_gradients(tape& t, int gradient_region, std::size_t activations) {
  core::list<std::size_t> live = detail::live_bytes(t, 0);
  const core::list<std::size_t> of_gradients = detail::live_bytes(t, gradient_region);
  for (int now = 0; now < live.count(); ++now) live[now] += of_gradients[now];
  core::list<detail::allocation> together =
      detail::in_order(detail::allocations_of(t, 0), detail::allocations_of(t, gradient_region));
  const std::size_t gradients = place(t, gradient_region), height = detail::place(together, live);
  const bool are_together = height >= activations && height < activations + gradients;
  if (are_together)
    for (const detail::allocation& s : together) t.buffers[s.buffer].offset = s.offset;
  for (buffer& b : t.buffers) {
    if (are_together)
      b.offset = t.buffers[b.allocation].offset;
    else if (b.region == gradient_region)
      b.offset += activations;
    if (b.region == gradient_region) b.region = 0;
  }
  return are_together ? height - activations : gradients;
}

}  // namespace remat
