// SPDX-License-Identifier: MIT
#include <remat/nn/number_vectors.hpp>

#include <catch2/catch.hpp>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace number_vectors_tests {

using remat::bfloat16, remat::element;

REMAT_BEGIN_VECTOR_CODE

/// Copies one tensor to the other, or adds it.
template <bool InRegisters>
[[gnu::always_inline]] inline void copy_in_vectors_in(const remat::const_numbers& from, const remat::numbers& to) {
  constexpr std::size_t width = InRegisters ? 16 : 8;
  using remat::nn::detail::number_vector;
  std::size_t i = 0;
  for (; i + width <= from.size; i += width) {
    typename number_vector<width>::floats v;
    remat::nn::detail::read<width>(v, from, i);
    remat::nn::detail::write<width>(v, to, i);
  }
  for (; i < from.size; ++i) {
    float v;
    remat::nn::detail::read<1>(v, from, i);
    remat::nn::detail::write<1>(v, to, i);
  }
}
REMAT_VECTORISED_IN_REGISTERS(copy_in_vectors, (const remat::const_numbers& from, const remat::numbers& to), from, to)

REMAT_END_VECTOR_CODE

template <class T>
remat::const_numbers view(const std::vector<T>& of) {
  return {reinterpret_cast<const std::byte*>(of.data()), of.size(),
          sizeof(T) == 2 ? element::bfloat16 : element::float32};
}
template <class T>
remat::numbers view(std::vector<T>& of, bool adds = false) {
  return {reinterpret_cast<std::byte*>(of.data()), of.size(), sizeof(T) == 2 ? element::bfloat16 : element::float32,
          adds};
}

/// Every sign, exponent and upper half of a fraction, with lower halves next to where rounding changes.
std::vector<float> all_floats() {
  std::vector<float> all;
  for (std::uint32_t upper = 0; upper < 0x10000; ++upper)
    for (const std::uint32_t lower : {0x0000u, 0x0001u, 0x7fffu, 0x8000u, 0x8001u, 0xffffu})
      all.push_back(std::bit_cast<float>(upper << 16 | lower));
  all.push_back(1);  // what is left after whole vectors
  return all;
}

TEST_CASE("vectors of floats are rounded to the bits of bfloat16's constructor, NaNs too") {
  const std::vector<float> all = all_floats();
  std::vector<bfloat16> rounded(all.size());
  copy_in_vectors(view(all), view(rounded));
  std::size_t other = 0;
  for (std::size_t i = 0; i < all.size(); ++i) other += rounded[i].bits != bfloat16(all[i]).bits;
  CHECK(other == 0);
}

TEST_CASE("vectors of bfloat16 are widened, which changes nothing, and added to float32 alone") {
  std::vector<bfloat16> every(0x10001);
  for (std::size_t i = 0; i < every.size(); ++i) every[i].bits = static_cast<std::uint16_t>(i);
  std::vector<float> widened(every.size(), 7), sums(every.size(), 1);
  copy_in_vectors(view(every), view(widened));
  copy_in_vectors(view(widened), view(sums, true));
  std::size_t other = 0;
  for (std::size_t i = 0; i < every.size(); ++i) {
    other += std::bit_cast<std::uint32_t>(widened[i]) != std::uint32_t{every[i].bits} << 16;
    if (widened[i] == widened[i]) other += sums[i] != 1 + widened[i];
  }
  CHECK(other == 0);
}

}  // namespace number_vectors_tests
