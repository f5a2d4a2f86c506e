// SPDX-License-Identifier: MIT
/// Where a step's inputs come from: views of the user's memory, converted as they are loaded into the arena.
///
/// A range of float is an input, images as (N, C, H, W); `channels_last(range)` says that they are (N, H, W, C). A
/// range of any integer type is a target, or indices. The batch is the number of samples that the range holds. What the
/// model declares as `image` is loaded channels-last, a `tensor` as it is, whatever its rank.
/// tensor_range.hpp says which ranges are accepted.
#pragma once

#include <remat/core/shaped_images.hpp>
#include <remat/core/tensor.hpp>
#include <remat/run/copy_bytes.hpp>
#include <remat/run/image_order.hpp>
#include <remat/run/tensor_range.hpp>

#include <concepts>
#include <cstddef>
#include <limits>
#include <span>
#include <string>
#include <type_traits>
#include <utility>

namespace remat {

/// A view of images that are (N, H, W, C) in memory.
struct channels_last_images {
  std::span<const float> values;
};
/// Says that a range of float holds images as (N, H, W, C).
template <class R>
channels_last_images channels_last(const R& values) {
  if constexpr (!RangeInMemory<R>) {
    static_assert(rules::tensor_in_memory<R>::holds);
    return {};
  } else if constexpr (!std::same_as<detail::number_of<R>, float>) {
    static_assert(rules::number_of_an_image<detail::number_of<R>>::holds);
    return {};
  } else {
    return {detail::flat_span(values)};
  }
}

/// A user's tensor, with the functions that bring it into the arena's layout and say what does not fit there.
struct tensor_source {
  const void* data = nullptr;
  std::size_t size = 0;  ///< in elements
  element type = element::float32;
  std::size_t element_bytes = sizeof(float);  ///< of the user's type
  /// Requires that nothing is a misfit.
  void (*load)(const tensor_source&, const tensor_shape&, std::byte* to) = nullptr;
  /// The first element that a tensor of this type cannot hold, as "300 at place 7"; empty where there is none.
  std::string (*misfit)(const tensor_source&, const tensor_shape&) = nullptr;
  bool is_channels_last = false;               ///< as its user says: only images are
  shaped_images::extents_of_image image = {};  ///< of each, where its reader knows them

  /// Elements [first, first + count) of it.
  tensor_source part(std::size_t first, std::size_t count) const {
    tensor_source s = *this;
    s.data = static_cast<const std::byte*>(data) + first * element_bytes;
    s.size = count;
    return s;
  }
};

namespace detail {

inline void load_in_order(const tensor_source& from, const tensor_shape&, std::byte* to) {
  copy_bytes(from.data, to, from.size * sizeof(float));
}

/// Images from (N, C, H, W) to (N, H, W, C), others as they are.
inline void load_floats(const tensor_source& from, const tensor_shape& shape, std::byte* to) {
  if (shape.is_in_order()) return load_in_order(from, shape, to);
  to_channels_last(static_cast<const float*>(from.data), reinterpret_cast<float*>(to), shape,
                   from.size / shape.elements());
}

template <std::integral T, std::integral To>
void convert_integers(const tensor_source& from, const tensor_shape& shape, To* to) {
  const T* x = static_cast<const T*>(from.data);
  if (shape.is_in_order()) {
    for (std::size_t i = 0; i < from.size; ++i) to[i] = static_cast<To>(x[i]);
    return;
  }
  const std::size_t channels = shape.channels(), pixels = shape.height() * shape.width();
  for (const T* const end = x + from.size; x != end; to += channels * pixels)
    for (std::size_t c = 0; c < channels; ++c)
      for (std::size_t p = 0; p < pixels; ++p) to[p * channels + c] = static_cast<To>(*x++);
}

template <std::integral T>
void load_integers(const tensor_source& from, const tensor_shape& shape, std::byte* to) {
  with_integer(shape.type, [&]<class To>(To) { convert_integers<T>(from, shape, reinterpret_cast<To*>(to)); });
}

/// Wraps around where a number does not fit, so that another class would be learned: looked for before anything runs.
template <std::integral T, std::integral To>
std::string misfit_among(const tensor_source& from) {
  if constexpr (!std::is_same_v<T, bool>) {
    using limits = std::numeric_limits<T>;
    if constexpr (!std::in_range<To>(limits::min()) || !std::in_range<To>(limits::max())) {
      const T* const x = static_cast<const T*>(from.data);
      for (std::size_t i = 0; i < from.size; ++i)
        if (!std::in_range<To>(x[i])) return std::to_string(x[i]) + " at place " + std::to_string(i);
    }
  }
  return {};
}
template <std::integral T>
std::string misfit_of_integers(const tensor_source& from, const tensor_shape& shape) {
  return with_integer(shape.type, [&]<class To>(To) { return misfit_among<T, To>(from); });
}
inline std::string no_misfit(const tensor_source&, const tensor_shape&) { return {}; }

}  // namespace detail

inline tensor_source source_of(const channels_last_images& images) {
  return {images.values.data(),
          images.values.size(),
          element::float32,
          sizeof(float),
          &detail::load_in_order,
          &detail::no_misfit,
          true};
}
template <class R>
tensor_source source_of(const R& values) {
  if constexpr (!RangeInMemory<R>) {
    static_assert(rules::tensor_in_memory<R>::holds);
    return {};
  } else {
    using T = detail::number_of<R>;
    if constexpr (std::same_as<T, float>) {
      const std::span<const float> flat = detail::flat_span(values);
      return {flat.data(), flat.size(), element::float32, sizeof(float), &detail::load_floats, &detail::no_misfit};
    } else if constexpr (detail::Integer<T>) {
      const std::span<const T> flat = detail::flat_span(values);
      return {flat.data(),
              flat.size(),
              element::int32,
              sizeof(T),
              &detail::load_integers<T>,
              &detail::misfit_of_integers<T>};
    } else {
      static_assert(rules::number_of_a_tensor<T>::holds);
      return {};
    }
  }
}
inline tensor_source source_of(const shaped_images& images) {
  tensor_source made = source_of(static_cast<const std::span<const float>&>(images));
  made.image = images.extents;
  return made;
}

}  // namespace remat
