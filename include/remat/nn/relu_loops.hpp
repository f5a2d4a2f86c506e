// SPDX-License-Identifier: MIT
/// The loops of a relu that lets a NaN through: the relu itself, and what is asked of numbers before and after it.
#pragma once

#include <remat/core/bfloat16.hpp>
#include <remat/nn/vectorised.hpp>

#include <cstddef>
#include <cstdint>
#include <limits>

namespace remat::nn::detail {

REMAT_BEGIN_VECTOR_CODE

/// Whether an infinity or a NaN is among them.
REMAT_VECTORISED inline bool has_non_finite_float(const float* x, std::size_t size) {
  int found = 0;
  for (std::size_t i = 0; i < size; ++i) found |= x[i] - x[i] != 0 ? 1 : 0;
  return found != 0;
}
REMAT_VECTORISED inline bool has_non_finite_rounded(const bfloat16* x, std::size_t size) {
  constexpr unsigned exponent = 0x7f80;
  int found = 0;
  for (std::size_t i = 0; i < size; ++i) found |= (x[i].bits & exponent) == exponent ? 1 : 0;
  return found != 0;
}

/// A relu of each, in their place.
REMAT_VECTORISED inline void rectify_floats(float* y, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) y[i] = y[i] <= 0 ? 0.0f : y[i];
}
REMAT_VECTORISED inline void rectify_rounded(bfloat16* y, std::size_t count) {
  constexpr unsigned negative_zero = 0x8000, negative_infinity = 0xff80;  // what is above the second is a NaN
  for (std::size_t i = 0; i < count; ++i) {
    const unsigned bits = y[i].bits;
    y[i].bits = static_cast<std::uint16_t>(bits >= negative_zero && bits <= negative_infinity ? 0 : bits);
  }
}
/// The gradient of a relu's input, as relu_gradient (core/activation.hpp) has it; `dx` may be `dy`.
REMAT_VECTORISED inline void relu_gradients_rounded(const bfloat16* y, const bfloat16* dy, bfloat16* dx,
                                                    std::size_t count) {
  constexpr std::uint16_t negative_zero = 0x8000, negative_infinity = 0xff80;
  REMAT_INDEPENDENT
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint16_t bits = y[i].bits, gradient = dy[i].bits;
    const bool is_negative = bits >= negative_zero && bits <= negative_infinity;
    dx[i].bits = static_cast<std::uint16_t>(bits == 0 || is_negative ? 0 : gradient);
  }
}

inline bool has_non_finite(const float* x, std::size_t size) { return has_non_finite_float(x, size); }
inline bool has_non_finite(const bfloat16* x, std::size_t size) { return has_non_finite_rounded(x, size); }
inline void rectify(float* y, std::size_t count) { rectify_floats(y, count); }
inline void rectify(bfloat16* y, std::size_t count) { rectify_rounded(y, count); }

/// Whether one of them is positive and finite. All are looked at: a branch for each would keep the core from fetching
/// what comes next from memory.
template <class T>
bool has_positive(const T* y, std::size_t size) {
  constexpr std::size_t vector = 16;
  int found = 0;
  const auto look = [&](std::size_t i) {
    const float value = static_cast<float>(y[i]);
    found |= (value > 0) & (value <= std::numeric_limits<float>::max());
  };
  if (size == vector)
    for (std::size_t i = 0; i < vector; ++i) look(i);
  else
    for (std::size_t i = 0; i < size; ++i) look(i);
  return found != 0;
}

REMAT_END_VECTOR_CODE

}  // namespace remat::nn::detail
