// SPDX-License-Identifier: MIT
/// Images from (N, C, H, W) to (N, H, W, C) and back: transposes of the matrix (C, H W) of each image.
///
/// A transpose reads along rows and writes along columns. It goes tile by tile, so that each line of memory that it
/// touches is used whole while it is near, and all cores share the tiles of all images. The few channels of a picture
/// are no tile: pixels then are next to each other in vectors.
#pragma once

#include <remat/core/parallel.hpp>
#include <remat/core/tensor.hpp>
#include <remat/nn/vectorised.hpp>

#include <algorithm>
#include <cstddef>

namespace remat::detail {

/// y (N, Columns, Rows) = x (N, Rows, Columns) with the last two exchanged.
inline void transpose_each(const float* x, float* y, std::size_t count, std::size_t rows, std::size_t columns) {
  constexpr std::size_t line = 16;  // floats of a cache line
  const std::size_t height = std::min<std::size_t>(rows, 64), width = std::min<std::size_t>(columns, 64);
  const std::size_t down = (rows + height - 1) / height, across = (columns + width - 1) / width;
  const std::size_t grain = grain_of_rows(height * width);
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

REMAT_BEGIN_VECTOR_CODE

/// Pixels [begin, end) of an image of C channels, from (C, pixels) to (pixels, C).
template <std::size_t C>
[[gnu::always_inline]] inline void interleave(const float* x, float* y, std::size_t pixels, std::size_t begin,
                                              std::size_t end) {
  REMAT_INDEPENDENT
  for (std::size_t p = begin; p < end; ++p)
    for (std::size_t c = 0; c < C; ++c) y[p * C + c] = x[c * pixels + p];
}
/// And back.
template <std::size_t C>
[[gnu::always_inline]] inline void separate(const float* x, float* y, std::size_t pixels, std::size_t begin,
                                            std::size_t end) {
  for (std::size_t c = 0; c < C; ++c) {
    const float* const from = x + c;
    float* const to = y + c * pixels;
    REMAT_INDEPENDENT
    for (std::size_t p = begin; p < end; ++p) to[p] = from[p * C];
  }
}

inline constexpr std::size_t most_interleaved = 4;

/// The same for 1 to 4 channels.
REMAT_VECTORISED inline void interleave_few(const float* x, float* y, std::size_t channels, std::size_t pixels,
                                            std::size_t begin, std::size_t end) {
  if (channels == 1) interleave<1>(x, y, pixels, begin, end);
  if (channels == 2) interleave<2>(x, y, pixels, begin, end);
  if (channels == 3) interleave<3>(x, y, pixels, begin, end);
  if (channels == 4) interleave<4>(x, y, pixels, begin, end);
}
REMAT_VECTORISED inline void separate_few(const float* x, float* y, std::size_t channels, std::size_t pixels,
                                          std::size_t begin, std::size_t end) {
  if (channels == 1) separate<1>(x, y, pixels, begin, end);
  if (channels == 2) separate<2>(x, y, pixels, begin, end);
  if (channels == 3) separate<3>(x, y, pixels, begin, end);
  if (channels == 4) separate<4>(x, y, pixels, begin, end);
}

REMAT_END_VECTOR_CODE

/// Calls f(x, y, channels, pixels, begin, end) for a thousand pixels at a time of each image, which then are in the
/// cache for every channel.
template <class F>
void for_pixels(const float* x, float* y, const tensor_shape& shape, std::size_t count, const F& f) {
  constexpr std::size_t some = 1024;
  const std::size_t channels = shape.channels(), pixels = shape.height() * shape.width();
  const std::size_t pieces = (pixels + some - 1) / some;
  parallel_for(count * pieces, grain_of_rows(some * channels), [=](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) {
      const std::size_t skipped = i / pieces * channels * pixels, first = i % pieces * some;
      f(x + skipped, y + skipped, channels, pixels, first, std::min(first + some, pixels));
    }
  });
}

/// x (N, C, H, W), y (N, H, W, C)
inline void to_channels_last(const float* x, float* y, const tensor_shape& shape, std::size_t count) {
  if (shape.channels() <= most_interleaved) return for_pixels(x, y, shape, count, interleave_few);
  transpose_each(x, y, count, shape.channels(), shape.height() * shape.width());
}

/// x (N, H, W, C), y (N, C, H, W)
inline void to_channels_first(const float* x, float* y, const tensor_shape& shape, std::size_t count) {
  if (shape.channels() <= most_interleaved) return for_pixels(x, y, shape, count, separate_few);
  transpose_each(x, y, count, shape.height() * shape.width(), shape.channels());
}

}  // namespace remat::detail
