// SPDX-License-Identifier: MIT
/// What a user may hand over as a tensor: numbers that are one after another in memory.
///
///     std::vector, std::array, std::span, std::initializer_list and arrays of C, also of several extents
///     float                                              inputs, targets of regressions, gradients of outputs
///     bool and the integers, of any width and sign       classes, indices, labels
///
/// Everything else is refused where it is compiled, in one sentence that says what to do.
#pragma once

#include <remat/core/language.hpp>

#include <concepts>
#include <cstddef>
#include <iterator>
#include <ranges>
#include <span>
#include <type_traits>

namespace remat {

/// Numbers of any type, or ranges of them, that are one after another in memory.
template <class R>
concept RangeInMemory = std::ranges::contiguous_range<const R&> && std::ranges::sized_range<const R&>;

namespace detail {

template <class T>
concept Character = std::same_as<T, char> || std::same_as<T, wchar_t> || std::same_as<T, char8_t> ||
    std::same_as<T, char16_t> || std::same_as<T, char32_t> || std::same_as<T, std::byte>;
/// What targets and indices are made of.
template <class T>
concept Integer = std::integral<T> && !Character<T>;

/// The type of the numbers of a range, through the extents of arrays.
template <RangeInMemory R>
using number_of =
    std::remove_cv_t<std::remove_all_extents_t<std::remove_reference_t<std::ranges::range_reference_t<const R&>>>>;

}  // namespace detail

namespace rules {

/// Each rule is asked for where it is known to be broken, and says how.
template <class R>
struct tensor_in_memory {
  static constexpr bool holds = true;
  static constexpr bool is_pointer = std::is_pointer_v<R>;
  static constexpr bool is_of_bits = std::ranges::range<const R&> && requires(const R& r) {
    { *std::ranges::begin(r) } -> std::same_as<bool>;
  };
  static_assert(!is_pointer,
                "remat: a pointer does not say how many numbers there are; give std::span(pointer, count)");
  static_assert(!is_of_bits, "remat: std::vector<bool> packs its values into bits; take std::vector<std::uint8_t>");
  static_assert(is_pointer || is_of_bits || RangeInMemory<R>,
                "remat: a tensor is a range of numbers that are one after another in memory, as in std::vector, "
                "std::array or std::span; copy the numbers into one of these");
};

/// Of an input, a gradient, or a target of a loss.
template <class T>
struct number_of_a_tensor {
  static constexpr bool holds = true;
  static_assert(!detail::Character<T>,
                "remat: characters and bytes of memory are not numbers; targets are integers such as std::int32_t, "
                "std::int8_t or std::uint8_t");
  static_assert(!std::floating_point<T> || std::same_as<T, float>,
                "remat: an input is a range of float, and no other floating-point type is converted; copy it into a "
                "std::vector<float>");
  static_assert(detail::Character<T> || std::is_arithmetic_v<T>,
                "remat: a tensor is a flat range of float, or of integers for targets and indices; copy the numbers "
                "into one");
};

/// Of images that are channels-last.
template <class T>
struct number_of_an_image {
  static constexpr bool holds = true;
  static_assert(std::same_as<T, float>,
                "remat: images that are channels-last are a range of float; copy them into a std::vector<float>");
};

/// Of targets that a metric compares with outputs.
template <class T>
struct number_of_a_metric {
  static constexpr bool holds = true;
  static_assert(!detail::Character<T>,
                "remat: characters and bytes of memory are not numbers; a metric's targets are integers such as "
                "std::int32_t, std::int8_t or std::uint8_t, or float");
  static_assert(detail::Character<T> || std::is_arithmetic_v<T>,
                "remat: a metric's targets are a flat range of integers or of float");
};

}  // namespace rules

namespace detail {

/// A range as one of numbers.
template <RangeInMemory R>
std::span<const number_of<R>> flat_span(const R& range) {
  using T = number_of<R>;
  constexpr std::size_t each = sizeof(std::ranges::range_value_t<const R&>) / sizeof(T);
  return {reinterpret_cast<const T*>(std::ranges::data(range)),
          static_cast<std::size_t>(std::ranges::size(range)) * each};
}

/// The targets of a metric.
template <class R>
auto numbers_of(const R& targets) {
  if constexpr (!RangeInMemory<R>) {
    static_assert(rules::tensor_in_memory<R>::holds);
    return std::span<const float>();
  } else if constexpr (!std::floating_point<number_of<R>> && !Integer<number_of<R>>) {
    static_assert(rules::number_of_a_metric<number_of<R>>::holds);
    return std::span<const float>();
  } else {
    return flat_span(targets);
  }
}

}  // namespace detail
}  // namespace remat
