// SPDX-License-Identifier: MIT
/// Vectors of floats that are read from tensors of float32 or bfloat16, and written to them: for loops that are bound
/// by what they compute where a room of widened numbers (floats.hpp) would be written and read once more.
///
///     number_vector<16>::floats v;
///     read(v, from);                 widened, which changes nothing
///     write(v, to);                  rounded to the nearest, to even where two are as near; a NaN stays one
///
/// A vector of one is a float, for what is left of a row: loops are written once, for any width.
#pragma once

#include <remat/core/bfloat16.hpp>
#include <remat/core/numbers.hpp>
#include <remat/nn/vectorised.hpp>

#include <cstddef>
#include <cstdint>

namespace remat::nn::detail {

REMAT_BEGIN_VECTOR_CODE

/// The vectors of a width, and what they are made from. (In a template, g++ 12 does not know that they are vectors.)
template <std::size_t Width>
struct vector_types;
template <>
struct vector_types<16> {
  using floats = float __attribute__((vector_size(64)));
  using words = std::uint32_t __attribute__((vector_size(64)));
  using halves = std::uint16_t __attribute__((vector_size(32)));

  // g++ 12 makes four instructions of either conversion.
#if defined(__x86_64__) && !defined(__clang__)
  [[gnu::always_inline]] static void convert(const halves& from, words& to) {
    asm("{vpmovzxwd %1, %0|vpmovzxwd %0, %1}" : "=v"(to) : "vm"(from));
  }
  [[gnu::always_inline]] static void convert(const words& from, halves& to) {
    asm("{vpmovdw %1, %0|vpmovdw %0, %1}" : "=v"(to) : "v"(from));
  }
#else
  [[gnu::always_inline]] static void convert(const halves& from, words& to) {
    to = __builtin_convertvector(from, words);
  }
  [[gnu::always_inline]] static void convert(const words& from, halves& to) {
    to = __builtin_convertvector(from, halves);
  }
#endif
};
template <>
struct vector_types<8> {
  using floats = float __attribute__((vector_size(32)));
  using words = std::uint32_t __attribute__((vector_size(32)));
  using halves = std::uint16_t __attribute__((vector_size(16)));

  [[gnu::always_inline]] static void convert(const halves& from, words& to) {
    to = __builtin_convertvector(from, words);
  }
  [[gnu::always_inline]] static void convert(const words& from, halves& to) {
    to = __builtin_convertvector(from, halves);
  }
};

template <std::size_t Width>
struct number_vector : vector_types<Width> {
  using typename vector_types<Width>::floats;
  using typename vector_types<Width>::words;
  using typename vector_types<Width>::halves;

  [[gnu::always_inline]] static void read(floats& v, const bfloat16* from) {
    halves upper;
    words bits;
    __builtin_memcpy(&upper, from, sizeof upper);
    number_vector::convert(upper, bits);
    bits <<= 16;
    __builtin_memcpy(&v, &bits, sizeof v);
  }
  [[gnu::always_inline]] static void read(floats& v, const float* from) { __builtin_memcpy(&v, from, sizeof v); }
  [[gnu::always_inline]] static void write(const floats& v, bfloat16* to) {
    words bits;
    halves upper;
    __builtin_memcpy(&bits, &v, sizeof bits);
    const words nearest = (bits + 0x7fffu + (bits >> 16 & 1)) >> 16, quiet = bits >> 16 | 0x40u;
    bits = v != v ? quiet : nearest;
    number_vector::convert(bits, upper);
    __builtin_memcpy(&to->bits, &upper, sizeof upper);
  }
  [[gnu::always_inline]] static void write(const floats& v, float* to) { __builtin_memcpy(to, &v, sizeof v); }
};

template <>
struct number_vector<1> {
  using floats = float;

  template <class X>
  [[gnu::always_inline]] static void read(float& v, const X* from) {
    v = float_of(*from);
  }
  template <class Y>
  [[gnu::always_inline]] static void write(float v, Y* to) {
    put(v, *to);
  }
};

/// From element `at` of a tensor on, which is of float32 where `Floats` says so.
template <std::size_t Width, bool Floats = false>
[[gnu::always_inline]] inline void read(typename number_vector<Width>::floats& v, const const_numbers& from,
                                        std::size_t at) {
  if (!Floats && from.type == element::bfloat16)
    number_vector<Width>::read(v, reinterpret_cast<const bfloat16*>(from.data) + at);
  else
    number_vector<Width>::read(v, reinterpret_cast<const float*>(from.data) + at);
}
/// Only float32 is added to.
template <std::size_t Width, bool Floats = false>
[[gnu::always_inline]] inline void write(const typename number_vector<Width>::floats& v, const numbers& to,
                                         std::size_t at) {
  if (!Floats && to.type == element::bfloat16)
    return number_vector<Width>::write(v, reinterpret_cast<bfloat16*>(to.data) + at);
  float* const place = reinterpret_cast<float*>(to.data) + at;
  if (!to.accumulates) return number_vector<Width>::write(v, place);
  typename number_vector<Width>::floats before;
  number_vector<Width>::read(before, place);
  number_vector<Width>::write(before + v, place);
}

REMAT_END_VECTOR_CODE

}  // namespace remat::nn::detail
