// SPDX-License-Identifier: MIT
/// bfloat16: the upper half of a float, eight bits of exponent and seven of fraction.
#pragma once

#include <remat/core/language.hpp>

#include <bit>
#include <cstdint>
#include <limits>

namespace remat {

static_assert(std::numeric_limits<float>::is_iec559);

struct bfloat16 {
  std::uint16_t bits = 0;

  constexpr bfloat16() = default;
  /// Rounded to the nearest, to even where two are as near; a NaN stays one.
  constexpr explicit bfloat16(float value);
  constexpr explicit operator float() const;
};
static_assert(sizeof(bfloat16) == 2);

// Functions, which loops for several instruction sets call: clang makes no code of members that only these call.
[[gnu::always_inline]] constexpr float float_of(float x) { return x; }
[[gnu::always_inline]] constexpr float float_of(const bfloat16& x) {
  return std::bit_cast<float>(std::uint32_t{x.bits} << 16);
}
[[gnu::always_inline]] constexpr void put(float value, float& to) { to = value; }
[[gnu::always_inline]] constexpr void put(float value, bfloat16& to) {
  const std::uint32_t x = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t nearest = (x + 0x7fffu + (x >> 16 & 1)) >> 16, quiet = x >> 16 | 0x40u;
  to.bits = static_cast<std::uint16_t>((x & 0x7fffffffu) > 0x7f800000u ? quiet : nearest);
}

constexpr bfloat16::bfloat16(float value) { put(value, *this); }
constexpr bfloat16::operator float() const { return float_of(*this); }

}  // namespace remat
