// SPDX-License-Identifier: MIT
/// Maxima over windows in loops of our own over channels: where windows have gaps, for which oneDNN 2.6 has no fast
/// code, and of bfloat16. Special numbers are as in max_pool_special.hpp; a window whose elements are all in the border
/// gives -infinity, and no gradient.
///
///     maxima     y (samples, rows, columns, C) of x (samples, height, width, C), and their places in the windows
///     unpooled   dx of dy: each element gathers from the windows that hold it, in the order of the outputs
///
/// An element is computed by one thread in one order, of floats, and rounded once where it is written as bfloat16.
#pragma once

#include <remat/core/bfloat16.hpp>
#include <remat/core/parallel.hpp>
#include <remat/nn/floats.hpp>
#include <remat/nn/max_pool_special.hpp>
#include <remat/nn/vectorised.hpp>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <type_traits>

namespace remat::nn::detail {

/// The place of each maximum in its window: a byte, or four where windows are large. Null in inference.
template <class Byte, class Number>
struct window_places {
  Byte* bytes = nullptr;
  Number* wide = nullptr;
};
using places_to_write = window_places<std::uint8_t, std::int32_t>;
using places_to_read = window_places<const std::uint8_t, const std::int32_t>;

/// Channels whose maxima, or sums, are in the nearest cache meanwhile.
inline constexpr std::size_t pooled_channels = 256;

REMAT_BEGIN_VECTOR_CODE

/// Takes over those of x (channels) that are larger than y.
template <class X>
[[gnu::always_inline]] inline void take_larger(const X* x, float* y, std::int32_t* places, std::int32_t place,
                                               std::size_t channels) {
  REMAT_INDEPENDENT
  for (std::size_t at = 0; at < channels; ++at) {
    const float value = float_of(x[at]);
    const bool is_larger = value > y[at] || value != value;
    places[at] = is_larger ? place : places[at];
    y[at] = is_larger ? value : y[at];
  }
}

/// Row `row` of all rows of the outputs.
template <class X, class Y>
[[gnu::always_inline]] inline void maxima_in(const max_pool_geometry& g, const X* x, Y* y,
                                             const places_to_write& places, std::size_t row) {
  float largest[pooled_channels];
  std::int32_t at[pooled_channels];
  const std::size_t h0 = row % g.rows * g.over.stride.height;  // in the padded image
  for (std::size_t column = 0; column < g.columns; ++column)
    for (std::size_t c = 0; c < g.channels; c += pooled_channels) {
      const std::size_t channels = g.channels - c < pooled_channels ? g.channels - c : pooled_channels;
      bool is_first = true;
      for (std::size_t down = 0; down < g.kernel.height; ++down)
        for (std::size_t across = 0; across < g.kernel.width; ++across) {
          const std::size_t h = h0 + down * g.over.dilation.height - g.over.padding.height,  // too large before the
              w = column * g.over.stride.width + across * g.over.dilation.width - g.over.padding.width;  // first
          if (h >= g.height || w >= g.width) continue;
          const X* const from = x + ((row / g.rows * g.height + h) * g.width + w) * g.channels + c;
          const std::int32_t place = static_cast<std::int32_t>(down * g.kernel.width + across);
          if (is_first)
            for (std::size_t k = 0; k < channels; ++k) {
              largest[k] = float_of(from[k]);
              at[k] = place;
            }
          else
            take_larger(from, largest, at, place, channels);
          is_first = false;
        }
      for (std::size_t k = 0; is_first && k < channels; ++k) {
        largest[k] = -std::numeric_limits<float>::infinity();
        at[k] = 0;  // which is in the border, too
      }
      const std::size_t to = (row * g.columns + column) * g.channels + c;
      for (std::size_t k = 0; k < channels; ++k) put(largest[k], y[to + k]);
      if (places.bytes != nullptr)
        for (std::size_t k = 0; k < channels; ++k) places.bytes[to + k] = static_cast<std::uint8_t>(at[k]);
      if (places.wide != nullptr)
        for (std::size_t k = 0; k < channels; ++k) places.wide[to + k] = at[k];
    }
}

/// Along one axis, the windows that hold an element: of outputs `first` to `last`, where the gap allows.
struct holding_windows {
  std::size_t first, last, from_border, stride, gap;
};
// Templates, since clang 19 does not emit a function of no template that only clones call.
template <class Number>
[[gnu::always_inline]] inline holding_windows windows_holding(Number at, std::size_t padding, std::size_t size,
                                                              std::size_t step, std::size_t dilation,
                                                              std::size_t outputs) {
  const std::size_t from_border = at + padding, reach = (size - 1) * dilation;
  return {from_border > reach ? (from_border - reach + step - 1) / step : 0,
          from_border / step + 1 < outputs ? from_border / step + 1 : outputs, from_border, step, dilation};
}
template <class Number>
[[gnu::always_inline]] inline bool is_held_by(const holding_windows& w, Number output) {
  return (w.from_border - output * w.stride) % w.gap == 0;
}
template <class Number>
[[gnu::always_inline]] inline std::size_t place_in(const holding_windows& w, Number output) {
  return (w.from_border - output * w.stride) / w.gap;
}

/// sums (channels) grow by those of dy whose maximum is at this place.
template <class Dy, class Place>
[[gnu::always_inline]] inline void gather(const Dy* dy, const Place* places, Place place, float* sums,
                                          std::size_t channels) {
  REMAT_INDEPENDENT
  for (std::size_t k = 0; k < channels; ++k) {
    const float given = float_of(dy[k]);  // read for all k: a loop that reads it for some does not vectorise
    sums[k] += places[k] == place ? given : 0.0f;
  }
}

/// Row `row` of all rows of dx.
template <class Dy, class Dx>
[[gnu::always_inline]] inline void unpooled_in(const max_pool_geometry& g, const Dy* dy, const places_to_read& places,
                                               Dx* dx, bool adds, std::size_t row) {
  float sums[pooled_channels];
  const holding_windows down = windows_holding(row % g.height, g.over.padding.height, g.kernel.height,
                                               g.over.stride.height, g.over.dilation.height, g.rows);
  for (std::size_t w = 0; w < g.width; ++w) {
    const holding_windows across =
        windows_holding(w, g.over.padding.width, g.kernel.width, g.over.stride.width, g.over.dilation.width, g.columns);
    for (std::size_t c = 0; c < g.channels; c += pooled_channels) {
      const std::size_t channels = g.channels - c < pooled_channels ? g.channels - c : pooled_channels;
      for (std::size_t k = 0; k < channels; ++k) sums[k] = 0;
      for (std::size_t r = down.first; r < down.last; ++r)
        for (std::size_t o = across.first; is_held_by(down, r) && o < across.last; ++o) {
          if (!is_held_by(across, o)) continue;
          const std::size_t place = place_in(down, r) * g.kernel.width + place_in(across, o),
                            from = ((row / g.height * g.rows + r) * g.columns + o) * g.channels + c;
          if (places.bytes != nullptr)
            gather(dy + from, places.bytes + from, static_cast<std::uint8_t>(place), sums, channels);
          else
            gather(dy + from, places.wide + from, static_cast<std::int32_t>(place), sums, channels);
        }
      Dx* const to = dx + (row * g.width + w) * g.channels + c;
      if constexpr (std::is_same_v<Dx, float>)
        if (adds) {
          for (std::size_t k = 0; k < channels; ++k) to[k] += sums[k];
          continue;
        }
      for (std::size_t k = 0; k < channels; ++k) put(sums[k], to[k]);
    }
  }
}

// Clones have names of their own: clang 19 fails on those of overloaded functions.
#define REMAT_POOLED_AS(name, X, Y)                                                                                  \
  REMAT_VECTORISED inline void maxima_of_##name(const max_pool_geometry& g, const X* x, Y* y,                        \
                                                const places_to_write& places, std::size_t row) {                    \
    maxima_in(g, x, y, places, row);                                                                                 \
  }                                                                                                                  \
  REMAT_VECTORISED inline void unpooled_of_##name(const max_pool_geometry& g, const X* dy,                           \
                                                  const places_to_read& places, Y* dx, bool adds, std::size_t row) { \
    unpooled_in(g, dy, places, dx, adds, row);                                                                       \
  }                                                                                                                  \
  inline void maxima(const max_pool_geometry& g, const X* x, Y* y, const places_to_write& places, std::size_t row) { \
    maxima_of_##name(g, x, y, places, row);                                                                          \
  }                                                                                                                  \
  inline void unpooled(const max_pool_geometry& g, const X* dy, const places_to_read& places, Y* dx, bool adds,      \
                       std::size_t row) {                                                                            \
    unpooled_of_##name(g, dy, places, dx, adds, row);                                                                \
  }
REMAT_POOLED_AS(floats, float, float)
REMAT_POOLED_AS(rounded_floats, float, bfloat16)
REMAT_POOLED_AS(widened, bfloat16, float)
REMAT_POOLED_AS(bfloat16s, bfloat16, bfloat16)
#undef REMAT_POOLED_AS

REMAT_END_VECTOR_CODE

inline void pool_in_loops(const max_pool_geometry& g, std::size_t samples, const const_numbers& x, const numbers& y,
                          const places_to_write& places) {
  with_types(x, y, [&](const auto* from, auto* to) {
    parallel_for(samples * g.rows, 1 + 16384 / (g.columns * g.channels), [=, &g](std::size_t begin, std::size_t end) {
      for (std::size_t row = begin; row < end; ++row) maxima(g, from, to, places, row);
    });
  });
}
inline void unpool_in_loops(const max_pool_geometry& g, std::size_t samples, const const_numbers& dy,
                            const places_to_read& places, const numbers& dx) {
  with_types(dy, dx, [&](const auto* from, auto* to) {
    parallel_for(samples * g.height, 1 + 16384 / (g.width * g.channels), [=, &g](std::size_t begin, std::size_t end) {
      for (std::size_t row = begin; row < end; ++row) unpooled(g, from, places, to, dx.accumulates, row);
    });
  });
}

}  // namespace remat::nn::detail
