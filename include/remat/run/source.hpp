// SPDX-License-Identifier: MIT
/// Where a step's inputs come from: views of the user's memory, converted as they are loaded into the arena.
///
/// A span of float is an input, images as (N, C, H, W); `channels_last(span)` says that they lie as (N, H, W, C). A
/// span of any integer type is a target. The batch is the number of samples that the span holds.
#pragma once

#include <remat/core/error.hpp>
#include <remat/core/parallel.hpp>
#include <remat/core/tensor.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <ranges>
#include <span>
#include <string>
#include <type_traits>
#include <utility>

namespace remat {

/// A view of images that lie as (N, H, W, C).
struct channels_last_images {
  std::span<const float> values;
};
inline channels_last_images channels_last(std::span<const float> values) { return {values}; }

/// A user's tensor, with the function that brings it into the arena's layout.
struct source {
  const void* data = nullptr;
  std::size_t size = 0;  ///< in elements
  element type = element::float32;
  std::size_t element_bytes = sizeof(float);  ///< of the user's type
  void (*load)(const source&, const tensor_shape&, std::byte* to) = nullptr;

  /// Elements [first, first + count) of it.
  source part(std::size_t first, std::size_t count) const {
    source s = *this;
    s.data = static_cast<const std::byte*>(data) + first * element_bytes;
    s.size = count;
    return s;
  }
};

namespace detail {

inline void load_as_it_lies(const source& from, const tensor_shape&, std::byte* to) {
  std::memcpy(to, from.data, from.size * sizeof(float));
}

/// (N, C, H, W) to (N, H, W, C).
inline void load_channels_first(const source& from, const tensor_shape& shape, std::byte* to) {
  if (!shape.is_image() || shape.channels() == 1) return load_as_it_lies(from, shape, to);
  const std::size_t channels = shape.channels(), pixels = shape.height() * shape.width();
  const float* const x = static_cast<const float*>(from.data);
  float* const y = reinterpret_cast<float*>(to);
  parallel_for(from.size / shape.elements(), 1, [=](std::size_t begin, std::size_t end) {
    for (std::size_t n = begin; n < end; ++n)
      for (std::size_t pixel = 0; pixel < pixels; ++pixel)
        for (std::size_t c = 0; c < channels; ++c)
          y[(n * pixels + pixel) * channels + c] = x[(n * channels + c) * pixels + pixel];
  });
}

/// A target beyond int32 would be another class: it becomes -1, which no loss takes for one. One beyond a byte is
/// refused.
template <std::integral T>
void load_integers(const source& from, const tensor_shape& shape, std::byte* to) {
  const T* const x = static_cast<const T*>(from.data);
  if (shape.type == element::uint8) {
    for (std::size_t i = 0; i < from.size; ++i) {
      if (!std::in_range<std::uint8_t>(x[i]))
        throw error("a tensor of bytes holds integers from 0 to 255, and was given " + std::to_string(x[i]));
      to[i] = static_cast<std::byte>(x[i]);
    }
    return;
  }
  std::int32_t* const y = reinterpret_cast<std::int32_t*>(to);
  for (std::size_t i = 0; i < from.size; ++i)
    y[i] = std::in_range<std::int32_t>(x[i]) ? static_cast<std::int32_t>(x[i]) : -1;
}

}  // namespace detail

inline source source_of(const channels_last_images& images) {
  return {images.values.data(), images.values.size(), element::float32, sizeof(float), &detail::load_as_it_lies};
}
template <std::ranges::contiguous_range R>
source source_of(const R& values) {
  using T = std::ranges::range_value_t<R>;
  static_assert(std::is_same_v<T, float> || std::is_integral_v<T>,
                "remat: an input is a range of float, a target one of integers");
  if constexpr (std::is_same_v<T, float>)
    return {std::ranges::data(values), std::ranges::size(values), element::float32, sizeof(float),
            &detail::load_channels_first};
  else
    return {std::ranges::data(values), std::ranges::size(values), element::int32, sizeof(T), &detail::load_integers<T>};
}

}  // namespace remat
