// SPDX-License-Identifier: MIT
/// Windows of a max pooling whose maximum oneDNN does not give: it skips a NaN, and where no number is above the lowest
/// finite one, that one is what it gives, at no place in the window.
///
/// Here their maximum becomes what PyTorch's is: NaN, at the last one, where the window holds one; else -infinity, at the
/// first place within the image.
#pragma once

#include <remat/core/parallel.hpp>
#include <remat/nn/vectorised.hpp>

#include <atomic>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>

namespace remat::nn::detail {

struct max_pool_geometry {
  std::size_t channels, height, width;  ///< of the input
  std::size_t rows, columns;            ///< of the output
  std::size_t kernel, stride, padding;
};

REMAT_BEGIN_VECTOR_CODE

REMAT_VECTORISED inline bool has_lowest(const float* y, std::size_t size) {
  int found = 0;
  for (std::size_t i = 0; i < size; ++i) found |= y[i] <= std::numeric_limits<float>::lowest() ? 1 : 0;
  return found != 0;
}

REMAT_VECTORISED inline bool has_nan(const float* x, std::size_t begin, std::size_t end) {
  int found = 0;
  for (std::size_t i = begin; i < end; ++i) found |= x[i] != x[i] ? 1 : 0;
  return found != 0;
}

REMAT_END_VECTOR_CODE

inline bool any_nan(const float* x, std::size_t size) {
  std::atomic<bool> found = false;
  parallel_for(size, 65536, [&, x](std::size_t begin, std::size_t end) {
    if (has_nan(x, begin, end)) found.store(true, std::memory_order_relaxed);
  });
  return found;
}

/// Mends row `row` of all rows of the outputs: where `all`, every window, else those of which oneDNN gave the lowest
/// number. The places are in `bytes`, or in `numbers`, or nowhere: both are null.
inline void mend_maxima(const max_pool_geometry& g, const float* x, float* y, std::uint8_t* bytes,
                        std::int32_t* numbers, bool all, std::size_t row) {
  const std::size_t size = g.columns * g.channels, h0 = row % g.rows * g.stride;  // in the padded image
  if (!all && !has_lowest(y + row * size, size)) return;
  for (std::size_t k = 0; k < size; ++k) {
    float& largest = y[row * size + k];
    if (!all && largest > std::numeric_limits<float>::lowest()) continue;
    const std::size_t c = k % g.channels, w0 = k / g.channels * g.stride;
    std::size_t place = g.kernel * g.kernel;
    for (std::size_t i = 0; i < g.kernel; ++i)
      for (std::size_t j = 0; j < g.kernel; ++j) {
        const std::size_t h = h0 + i - g.padding, w = w0 + j - g.padding;  // too large before the first
        if (h >= g.height || w >= g.width) continue;
        const float v = x[((row / g.rows * g.height + h) * g.width + w) * g.channels + c];
        if (place < g.kernel * g.kernel && !(v > largest) && !std::isnan(v)) continue;
        largest = v;
        place = i * g.kernel + j;
      }
    if (bytes != nullptr) bytes[row * size + k] = static_cast<std::uint8_t>(place);
    if (numbers != nullptr) numbers[row * size + k] = static_cast<std::int32_t>(place);
  }
}

}  // namespace remat::nn::detail
