// SPDX-License-Identifier: MIT
/// A kernel's scratch: temporaries of its own first, then what its primitives ask for.
#pragma once

#include <remat/core/kernel.hpp>
#include <remat/nn/onednn.hpp>

#include <cstddef>

namespace remat::nn {

inline constexpr std::size_t scratch_alignment = 64;

constexpr std::size_t scratch_aligned(std::size_t bytes) {
  return (bytes + scratch_alignment - 1) / scratch_alignment * scratch_alignment;
}

/// Reserves room behind `own` bytes of temporaries for a primitive.
inline void reserve_scratch(prepared& state, std::size_t own, const onednn::primitive& p) {
  const std::size_t needed = scratch_aligned(own) + p.scratch_bytes();
  if (needed > state.scratch_bytes) state.scratch_bytes = needed;
}

/// Adds a temporary to a gradient, element by element.
inline void add(const float* values, const destination& to) {
  float* const sum = to.data();
  elementwise(to.size(), [=](std::size_t i) { sum[i] += values[i]; });
}

}  // namespace remat::nn
