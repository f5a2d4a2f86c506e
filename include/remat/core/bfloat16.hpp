// SPDX-License-Identifier: MIT
/// bfloat16: the upper half of a float, eight bits of exponent and seven of fraction.
#pragma once

#include <remat/core/parallel.hpp>
#include <remat/core/storage.hpp>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace remat {

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

/// Stored in the arena as numbers of another type, half as many bytes of floats as bfloat16. It is lossy: backward reads
/// what was rounded. Tensors of integers stay as they are.
template <class T>
struct stored_as;

template <>
struct stored_as<bfloat16> {
  static constexpr std::string_view storage_name = "stored_as<bfloat16>";
  static constexpr bool is_lossless = false;

  static constexpr bool takes(const tensor_shape& shape) { return shape.type == element::float32; }
  static constexpr std::size_t bytes(const tensor_shape& shape, std::size_t batch) {
    return shape.elements(batch) * sizeof(bfloat16);
  }
  static void store(const stored_tensor& t, const std::byte* from, std::byte* to) {
    elementwise(t.elements(), [x = reinterpret_cast<const float*>(from),
                               y = reinterpret_cast<bfloat16*>(to)](std::size_t i) { y[i] = bfloat16(x[i]); });
  }
  static void restore(const stored_tensor& t, const std::byte* from, std::byte* to) {
    elementwise(t.elements(), [x = reinterpret_cast<const bfloat16*>(from),
                               y = reinterpret_cast<float*>(to)](std::size_t i) { y[i] = static_cast<float>(x[i]); });
  }
};

}  // namespace remat
