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
  constexpr explicit bfloat16(float value) : bits(rounded(std::bit_cast<std::uint32_t>(value))) {}
  constexpr explicit operator float() const { return std::bit_cast<float>(std::uint32_t{bits} << 16); }

 private:
  static constexpr std::uint16_t rounded(std::uint32_t x) {
    const std::uint32_t nearest = (x + 0x7fffu + (x >> 16 & 1)) >> 16, quiet = x >> 16 | 0x40u;
    return static_cast<std::uint16_t>((x & 0x7fffffffu) > 0x7f800000u ? quiet : nearest);
  }
};
static_assert(sizeof(bfloat16) == 2);

}  // namespace remat
