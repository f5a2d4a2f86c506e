// SPDX-License-Identifier: MIT
/// The regions of an arena, or the bytes that each of them needs.
#pragma once

#include <remat/core/language.hpp>

#include <cstddef>

namespace remat {

struct regions {
  std::size_t activations = 0;
  std::size_t gradients = 0;  ///< of parameters, in steps that update these themselves
  std::size_t packed = 0, scratch = 0;

  std::size_t total() const { return activations + gradients + packed + scratch; }
};

}  // namespace remat
