// SPDX-License-Identifier: MIT
/// The exponential and the logarithm of elementwise code, without branches, so that loops over them vectorise. Where a
/// product and a sum are rounded once, that is said (fma), so that it holds on every machine.
#pragma once

#include <remat/nn/vectorised.hpp>

#include <bit>
#include <cstdint>

namespace remat::nn::detail {

REMAT_BEGIN_VECTOR_CODE

/// exp(x) for x <= 0, to about one unit in the last place; 0 below -87. A NaN stays one. Range reduction by ln 2 in two
/// parts and a polynomial (Cephes, Moshier 1989).
[[gnu::always_inline]] inline float exponential(float x) {
  constexpr float shift = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer
  const float clamped = -87.0f > x ? -87.0f : x;
  const float shifted = __builtin_fmaf(clamped, 1.44269504f, shift);
  const float n = shifted - shift;
  const float r = __builtin_fmaf(n, 2.12194440e-4f, __builtin_fmaf(n, -0.693359375f, clamped));
  float p = 1.9875691500e-4f;
  p = __builtin_fmaf(p, r, 1.3981999507e-3f);
  p = __builtin_fmaf(p, r, 8.3334519073e-3f);
  p = __builtin_fmaf(p, r, 4.1665795894e-2f);
  p = __builtin_fmaf(p, r, 1.6666665459e-1f);
  p = __builtin_fmaf(p, r, 5.0000001201e-1f);
  p = __builtin_fmaf(p * r, r, r) + 1.0f;
  const std::uint32_t power = (std::bit_cast<std::uint32_t>(shifted) - std::bit_cast<std::uint32_t>(shift) + 127) << 23;
  // Compared as integers: of a comparison of floats g++ makes a branch for AVX2 (also true for a negative NaN, whose p
  // is NaN).
  constexpr std::uint32_t bits_of_least = std::bit_cast<std::uint32_t>(-87.0f);
  return p * std::bit_cast<float>(std::bit_cast<std::uint32_t>(x) > bits_of_least ? 0 : power);
}

/// log(x) for finite x from 1 on, to about one unit in the last place (of infinity it gives NaN). x is 2^e m, m from
/// sqrt(1/2) to sqrt(2), and the logarithm of m is 2 artanh(f / (2 + f)), f = m - 1.
[[gnu::always_inline]] inline float logarithm(float x) {
  constexpr std::uint32_t root = 0x3f3504f3;  // sqrt(1/2)
  const std::uint32_t above = std::bit_cast<std::uint32_t>(x) - root;
  const float e = static_cast<float>(static_cast<std::int32_t>(above) >> 23);
  const float f = std::bit_cast<float>((above & 0x007fffffu) + root) - 1.0f;
  const float s = f / (2.0f + f), q = s * s;
  float p = 1.0f / 9;
  p = __builtin_fmaf(p, q, 1.0f / 7);
  p = __builtin_fmaf(p, q, 1.0f / 5);
  p = __builtin_fmaf(p, q, 1.0f / 3);
  const float of_m = __builtin_fmaf(2.0f, s, 2.0f * s * q * p);
  const float log = __builtin_fmaf(e, 0.693359375f, __builtin_fmaf(e, -2.12194440e-4f, of_m));
  return log + (x - x);  // a NaN stays one; of x == x ? log : x, g++ makes a branch
}

/// log(1 + z) for 0 <= z <= 1, to about two units in the last place, as 2 artanh(z / (2 + z)): at most 1/3 is left to a
/// series whose remainder is below 1e-8 of it.
[[gnu::always_inline]] inline float log_one_plus(float z) {
  const float s = z / (2.0f + z), q = s * s;
  float p = 1.0f / 15;
  p = p * q + 1.0f / 13;
  p = p * q + 1.0f / 11;
  p = p * q + 1.0f / 9;
  p = p * q + 1.0f / 7;
  p = p * q + 1.0f / 5;
  p = p * q + 1.0f / 3;
  return 2.0f * s + 2.0f * s * (q * p);
}

REMAT_END_VECTOR_CODE

}  // namespace remat::nn::detail
