// SPDX-License-Identifier: MIT
/// The regions of an arena, or the bytes that each of them needs. Packed weights and scratch share their memory over
/// the actions of a step (kernel_memory.hpp): `packed` is what is there of packed weights at once, and `scratch` what
/// kernels need in addition to that.
#pragma once

#include <remat/core/language.hpp>

#include <algorithm>
#include <cstddef>

namespace remat {

struct regions {
  std::size_t activations = 0;
  std::size_t gradients = 0;  ///< what those of parameters need in addition, in steps that update these themselves
  std::size_t packed = 0, scratch = 0;

  std::size_t kernels() const { return packed + scratch; }
  std::size_t total() const { return activations + gradients + kernels(); }
  /// What serves both.
  regions with(const regions& other) const {
    regions both{std::max(activations, other.activations), std::max(gradients, other.gradients),
                 std::max(packed, other.packed), 0};
    both.scratch = std::max(kernels(), other.kernels()) - both.packed;
    return both;
  }
};

}  // namespace remat
