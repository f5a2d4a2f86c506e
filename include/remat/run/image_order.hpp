// SPDX-License-Identifier: MIT
/// Images from (N, C, H, W) to (N, H, W, C) and back: transposes of the matrix (C, H W) of each image.
///
/// A transpose reads along rows and writes along columns. It goes tile by tile, so that each line of memory that it
/// touches is used whole while it is near, and all cores share the tiles of all images.
#pragma once

#include <remat/core/parallel.hpp>
#include <remat/core/tensor.hpp>

#include <algorithm>
#include <cstddef>

namespace remat::detail {

/// y (N, Columns, Rows) = x (N, Rows, Columns) with the last two exchanged.
inline void transpose_each(const float* x, float* y, std::size_t count, std::size_t rows, std::size_t columns) {
  constexpr std::size_t line = 16;  // floats of a cache line
  const std::size_t height = std::min<std::size_t>(rows, 64), width = std::min<std::size_t>(columns, 64);
  const std::size_t down = (rows + height - 1) / height, across = (columns + width - 1) / width;
  const std::size_t grain = 1 + 8192 / (height * width);
  parallel_for(count * down * across, grain, [=](std::size_t begin, std::size_t end) {
    for (std::size_t tile = begin; tile < end; ++tile) {
      const std::size_t n = tile / (down * across), r0 = tile / across % down * height, c0 = tile % across * width;
      const std::size_t r1 = std::min(r0 + height, rows), c1 = std::min(c0 + width, columns);
      const float* const from = x + n * rows * columns;
      float* const to = y + n * rows * columns;
      for (std::size_t r = r0; r < r1; r += line)
        for (std::size_t c = c0; c < c1; ++c) {
          const std::size_t last = std::min(r + line, r1);
          for (std::size_t i = r; i < last; ++i) to[c * rows + i] = from[i * columns + c];
        }
    }
  });
}

/// x (N, C, H, W), y (N, H, W, C)
inline void to_channels_last(const float* x, float* y, const tensor_shape& shape, std::size_t count) {
  transpose_each(x, y, count, shape.channels(), shape.height() * shape.width());
}

/// x (N, H, W, C), y (N, C, H, W)
inline void to_channels_first(const float* x, float* y, const tensor_shape& shape, std::size_t count) {
  transpose_each(x, y, count, shape.height() * shape.width(), shape.channels());
}

}  // namespace remat::detail
