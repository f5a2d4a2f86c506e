// SPDX-License-Identifier: MIT
/// The regions of an arena, or the bytes that each of them needs. Packed weights and scratch share their memory over the
/// actions of a step (kernel_memory.hpp): `packed` is what is there of packed weights at once, and `scratch` what
/// kernels need in addition to that.
#pragma once

#include <remat/core/language.hpp>

#include <cstddef>

namespace remat {

struct regions {
  std::size_t activations = 0;
  std::size_t gradients = 0;  ///< what those of parameters need in addition, in steps that update these themselves
  std::size_t packed = 0, scratch = 0;

  std::size_t kernels() const { return packed + scratch; }
  std::size_t total() const { return activations + gradients + kernels(); }
};

}  // namespace remat
