// SPDX-License-Identifier: MIT
/// Windows of a max pooling whose maximum oneDNN does not give: it skips a NaN, and where no number is above the lowest
/// finite one, that one is what it gives, at no place in the window.
///
/// Here their maximum becomes what PyTorch's is: NaN, at the last one, where the window holds one; else -infinity, at
/// the first place within the image.
#pragma once

#include <remat/core/parallel.hpp>
#include <remat/nn/vectorised.hpp>
#include <remat/nn/window.hpp>

#include <atomic>
#include <cmath>
#include <cstddef>
#include <limits>

namespace remat::nn::detail {

struct max_pool_geometry {
  std::size_t channels, height, width;  ///< of the input
  std::size_t rows, columns;            ///< of the output
  extents kernel;
  window over;
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
/// number. `places` may be null.
template <class Place>
void mend_maxima(const max_pool_geometry& g, const float* x, float* y, Place* places, bool all, std::size_t row) {
  const std::size_t size = g.columns * g.channels, h0 = row % g.rows * g.over.stride.height;  // in the padded image
  if (!all && !has_lowest(y + row * size, size)) return;
  for (std::size_t at = 0; at < size; ++at) {
    float& largest = y[row * size + at];
    if (!all && largest > std::numeric_limits<float>::lowest()) continue;
    const std::size_t c = at % g.channels, w0 = at / g.channels * g.over.stride.width;
    std::size_t place = g.kernel.area();
    for (std::size_t down = 0; down < g.kernel.height; ++down)
      for (std::size_t across = 0; across < g.kernel.width; ++across) {
        const std::size_t h = h0 + down - g.over.padding.height,
                          w = w0 + across - g.over.padding.width;  // too large before the first
        if (h >= g.height || w >= g.width) continue;
        const float v = x[((row / g.rows * g.height + h) * g.width + w) * g.channels + c];
        if (place < g.kernel.area() && !(v > largest) && !std::isnan(v)) continue;
        largest = v;
        place = down * g.kernel.width + across;
      }
    if (places != nullptr) places[row * size + at] = static_cast<Place>(place);
  }
}

}  // namespace remat::nn::detail
