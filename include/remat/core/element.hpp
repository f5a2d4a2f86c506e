// SPDX-License-Identifier: MIT
/// Element types as values: a kernel learns what it computes on from its operation, not from a template argument.
#pragma once

#include <remat/core/bfloat16.hpp>
#include <remat/core/language.hpp>

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace remat {

/// What users hand over is of the first three; what else a model remembers, such as counters, is of the next two.
/// Tensors between operations may be of bfloat16 (plan/compute_type.hpp), and files have all of them.
enum class element : std::uint8_t { float32, int32, uint8, uint32, uint64, bfloat16 };

namespace detail {

/// What is known of an element type.
struct element_facts {
  std::string_view name;
  std::size_t bytes;
};
/// One row for each, in the order of the enumeration.
inline constexpr element_facts element_table[] = {
    {"float32", sizeof(float)},        {"int32", sizeof(std::int32_t)},   {"uint8", sizeof(std::uint8_t)},
    {"uint32", sizeof(std::uint32_t)}, {"uint64", sizeof(std::uint64_t)}, {"bfloat16", 2},
};
constexpr const element_facts& facts_of(element type) { return element_table[static_cast<std::size_t>(type)]; }

}  // namespace detail

/// Bytes of one element.
constexpr std::size_t size_of(element type) { return detail::facts_of(type).bytes; }
constexpr std::string_view name_of(element type) { return detail::facts_of(type).name; }

/// The element type of a C++ type; defined for `float`, `bfloat16`, `std::int32_t` and `std::uint8_t` only.
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
template <>
inline constexpr element element_of<bfloat16> = element::bfloat16;

/// Whether the tensors that users hand over hold elements of a C++ type.
template <class T>
inline constexpr bool is_element = false;
template <>
inline constexpr bool is_element<float> = true;
template <>
inline constexpr bool is_element<std::int32_t> = true;
template <>
inline constexpr bool is_element<std::uint8_t> = true;

/// f(T{}) of the C++ type of an element type of integers.
template <class F>
constexpr decltype(auto) with_integer(element type, const F& f) {
  if (type == element::uint8) return f(std::uint8_t{});
  return f(std::int32_t{});
}

}  // namespace remat
