// SPDX-License-Identifier: MIT
/// Element types as values: a kernel learns what it computes on from its operation, not from a template argument.
#pragma once

#include <remat/core/language.hpp>

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace remat {

enum class element : std::uint8_t { float32, int32, uint8 };

/// Bytes of one element.
constexpr std::size_t size_of(element type) { return type == element::uint8 ? 1 : 4; }

constexpr std::string_view name_of(element type) {
  switch (type) {
    case element::float32:
      return "float32";
    case element::int32:
      return "int32";
    case element::uint8:
      return "uint8";
  }
  return "?";
}

/// The element type of a C++ type; defined for `float`, `std::int32_t` and `std::uint8_t` only.
template <class T>
inline constexpr element element_of = [] {
  static_assert(sizeof(T) == 0, "remat: a tensor holds float, std::int32_t or std::uint8_t; choose one of these");
  return element::float32;
}();
template <>
inline constexpr element element_of<float> = element::float32;
template <>
inline constexpr element element_of<std::int32_t> = element::int32;
template <>
inline constexpr element element_of<std::uint8_t> = element::uint8;

}  // namespace remat
