// SPDX-License-Identifier: MIT
/// Half precision (IEEE 754 binary16, F16), as files hold it; bfloat16.hpp has the other float of two bytes.
#pragma once

#include <remat/core/language.hpp>

#include <bit>
#include <cstdint>
#include <limits>

namespace remat::detail {

static_assert(std::numeric_limits<float>::is_iec559 && std::numeric_limits<double>::is_iec559);

/// The float of a half; exact.
inline float float_of_half(std::uint16_t half) {
  const std::uint32_t sign = std::uint32_t{half} >> 15 << 31, exponent = half >> 10 & 31, fraction = half & 1023;
  if (exponent == 0) {  // zero or subnormal: fraction * 2^-24, exact
    const float magnitude = static_cast<float>(fraction) * 0x1p-24f;
    return std::bit_cast<float>(std::bit_cast<std::uint32_t>(magnitude) | sign);
  }
  return std::bit_cast<float>(sign | (exponent == 31 ? 255u : exponent + 112) << 23 | fraction << 13);
}

}  // namespace remat::detail
