// SPDX-License-Identifier: MIT
/// How many samples a kernel takes at a time, so that what one loop writes is in the cache when the next one reads it.
#pragma once

#include <remat/core/language.hpp>

#include <cstddef>

namespace remat::nn::detail {

/// At least a few, and at most the batch.
inline std::size_t samples_in_cache(std::size_t batch, std::size_t bytes_of_a_sample, std::size_t cached = 1 << 20) {
  constexpr std::size_t fewest = 4;
  const std::size_t samples = cached / bytes_of_a_sample > fewest ? cached / bytes_of_a_sample : fewest;
  return samples < batch ? samples : batch;
}

}  // namespace remat::nn::detail
