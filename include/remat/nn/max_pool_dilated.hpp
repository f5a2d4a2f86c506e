// SPDX-License-Identifier: MIT
/// Maxima over windows with gaps, for which oneDNN 2.6 has no fast code, in loops of our own over channels. Special
/// numbers are as in max_pool_special.hpp; a window whose elements are all in the border gives -infinity, and no
/// gradient.
#pragma once

#include <remat/core/kernel.hpp>
#include <remat/core/parallel.hpp>
#include <remat/nn/max_pool_special.hpp>
#include <remat/nn/vectorised.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>

namespace remat::nn::detail {

REMAT_BEGIN_VECTOR_CODE

/// Takes over those of x (channels) that are larger than y; `places` may be null.
template <class Place>
[[gnu::always_inline]] inline void take_larger(const float* x, float* y, Place* places, Place place,
                                               std::size_t channels) {
  if (places == nullptr) {
    REMAT_INDEPENDENT
    for (std::size_t at = 0; at < channels; ++at) y[at] = x[at] > y[at] || x[at] != x[at] ? x[at] : y[at];
    return;
  }
  REMAT_INDEPENDENT
  for (std::size_t at = 0; at < channels; ++at) {
    const bool is_larger = x[at] > y[at] || x[at] != x[at];
    places[at] = is_larger ? place : places[at];
    y[at] = is_larger ? x[at] : y[at];
  }
}

/// Row `row` of all rows of the outputs.
template <class Place>
[[gnu::always_inline]] inline void dilated_maxima_in(const max_pool_geometry& g, const float* x, float* y,
                                                     Place* places, std::size_t row) {
  const std::size_t channels = g.channels, h0 = row % g.rows * g.over.stride.height;  // in the padded image
  for (std::size_t column = 0; column < g.columns; ++column) {
    float* const to = y + (row * g.columns + column) * channels;
    Place* const at = places == nullptr ? nullptr : places + (row * g.columns + column) * channels;
    bool is_first = true;
    for (std::size_t down = 0; down < g.kernel.height; ++down)
      for (std::size_t across = 0; across < g.kernel.width; ++across) {
        const std::size_t h = h0 + down * g.over.dilation.height - g.over.padding.height,  // too large before the first
            w = column * g.over.stride.width + across * g.over.dilation.width - g.over.padding.width;
        if (h >= g.height || w >= g.width) continue;
        const float* const from = x + ((row / g.rows * g.height + h) * g.width + w) * channels;
        const Place place = static_cast<Place>(down * g.kernel.width + across);
        if (is_first) {
          std::copy_n(from, channels, to);
          if (at != nullptr) std::fill_n(at, channels, place);
        } else {
          take_larger(from, to, at, place, channels);
        }
        is_first = false;
      }
    if (!is_first) continue;
    std::fill_n(to, channels, -std::numeric_limits<float>::infinity());
    if (at != nullptr) std::fill_n(at, channels, Place{});  // which is in the border, too
  }
}

REMAT_VECTORISED inline void dilated_maxima(const max_pool_geometry& g, const float* x, float* y, std::uint8_t* places,
                                            std::size_t row) {
  dilated_maxima_in(g, x, y, places, row);
}
REMAT_VECTORISED inline void dilated_maxima(const max_pool_geometry& g, const float* x, float* y, std::int32_t* places,
                                            std::size_t row) {
  dilated_maxima_in(g, x, y, places, row);
}

REMAT_END_VECTOR_CODE

/// y (samples, rows, columns, channels) of x (samples, height, width, channels); `places` may be null.
template <class Place>
void pool_dilated(const max_pool_geometry& g, std::size_t samples, const float* x, float* y, Place* places) {
  parallel_for(samples * g.rows, 1 + 16384 / (g.columns * g.channels), [=](std::size_t begin, std::size_t end) {
    for (std::size_t row = begin; row < end; ++row) dilated_maxima(g, x, y, places, row);
  });
}

/// dx (samples, height, width, channels) from dy; each channel's sums are one thread's, in the order of the outputs.
template <class Place>
void unpool_dilated(const max_pool_geometry& g, std::size_t samples, const float* dy, const Place* places, float* dx) {
  constexpr std::size_t block = 64;
  const std::size_t blocks = (g.channels + block - 1) / block, pixels = g.rows * g.columns;
  parallel_for(samples * blocks, 1 + 16384 / (pixels * block), [=](std::size_t begin, std::size_t end) {
    for (std::size_t task = begin; task < end; ++task) {
      const std::size_t sample = task / blocks, first = task % blocks * block,
                        last = std::min(first + block, g.channels);
      float* const gradient = dx + sample * g.height * g.width * g.channels;
      for (std::size_t at = 0; at < g.height * g.width; ++at)
        std::fill(gradient + at * g.channels + first, gradient + at * g.channels + last, 0.0f);
      for (std::size_t at = 0; at < pixels; ++at)
        for (std::size_t channel = first; channel < last; ++channel) {
          const std::size_t from = (sample * pixels + at) * g.channels + channel;
          const std::size_t place = static_cast<std::size_t>(places[from]);
          const std::size_t row = at / g.columns * g.over.stride.height +
                                  place / g.kernel.width * g.over.dilation.height - g.over.padding.height;
          const std::size_t column = at % g.columns * g.over.stride.width +
                                     place % g.kernel.width * g.over.dilation.width - g.over.padding.width;
          if (row < g.height && column < g.width) gradient[(row * g.width + column) * g.channels + channel] += dy[from];
        }
    }
  });
}

}  // namespace remat::nn::detail
