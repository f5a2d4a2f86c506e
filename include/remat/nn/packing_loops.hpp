// SPDX-License-Identifier: MIT
/// The loops that pack factors of products (packed_columns.hpp, packed_windows.hpp): words are turned, and two rows of
/// bfloat16 become one of pairs.
#pragma once

#include <remat/core/bfloat16.hpp>
#include <remat/nn/vector_of_lanes.hpp>

#include <cstddef>
#include <utility>

namespace remat::nn::detail {

/// Two numbers below one another, rounded.
[[gnu::always_inline]] inline void put_pair(float upper, float lower, float* to) {
  bfloat16* const pair = reinterpret_cast<bfloat16*>(to);
  put(upper, pair[0]);
  put(lower, pair[1]);
}

REMAT_BEGIN_VECTOR_CODE

/// Rows i and i + D trade places where bit D of the column is not that of the row. L are the numbers of the columns.
template <std::size_t D, std::size_t... L>
[[gnu::always_inline]] inline void trade(vector_of_lanes& a, vector_of_lanes& b, std::index_sequence<L...>) {
  const vector_of_lanes upper = __builtin_shufflevector(a, b, ((L & D) != 0 ? lanes + L : L + D)...);
  a = __builtin_shufflevector(a, b, ((L & D) != 0 ? lanes + L - D : L)...);
  b = upper;
}
template <std::size_t D>
[[gnu::always_inline]] inline void trade_all(vector_of_lanes (&rows)[lanes]) {
#pragma GCC unroll 16
  for (std::size_t i = 0; i < lanes; ++i)
    if ((i & D) == 0) trade<D>(rows[i], rows[i + D], std::make_index_sequence<lanes>());
}

#if defined(__x86_64__)
/// 32 floats as bfloat16. Processors that multiply these have the instruction; in C++, a float takes ten.
[[gnu::always_inline]] inline void round_32(const vector_of_lanes& first, const vector_of_lanes& second,
                                            vector_of_lanes& to) {
  asm("{vcvtne2ps2bf16 %1, %2, %0|vcvtne2ps2bf16 %0, %2, %1}" : "=v"(to) : "vm"(first), "v"(second));
}
/// The first sixteen of 32 numbers next to the others.
[[gnu::always_inline]] inline void interleave(vector_of_lanes& v) {
  static constexpr unsigned short order[2 * lanes] = {0, 16, 1, 17, 2,  18, 3,  19, 4,  20, 5,  21, 6,  22, 7,  23,
                                                      8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
  vector_of_lanes places;
  __builtin_memcpy(&places, order, sizeof places);
  asm("{vpermw %1, %2, %0|vpermw %0, %2, %1}" : "=v"(v) : "vm"(v), "v"(places));
}
#else  // where nothing calls them
[[gnu::always_inline]] inline void round_32(const vector_of_lanes&, const vector_of_lanes&, vector_of_lanes&) {}
[[gnu::always_inline]] inline void interleave(vector_of_lanes&) {}
#endif

/// Sixteen lines of sixteen words, `step` numbers apart, become sixteen rows, `to_step` words apart. A word is a float;
/// of `Rounds` it is two of 32 floats, rounded.
template <bool InRegisters, bool Rounds>
[[gnu::always_inline]] inline void turn_lines(const float* from, std::size_t step, float* to, std::size_t to_step) {
  if constexpr (InRegisters) {
    vector_of_lanes rows[lanes];
#pragma GCC unroll 16
    for (std::size_t i = 0; i < lanes; ++i) {
      load(rows[i], from + i * step);
      if constexpr (Rounds) {
        vector_of_lanes more;
        load(more, from + i * step + lanes);
        round_32(rows[i], more, rows[i]);
      }
    }
    trade_all<1>(rows);
    trade_all<2>(rows);
    trade_all<4>(rows);
    trade_all<8>(rows);
#pragma GCC unroll 16
    for (std::size_t i = 0; i < lanes; ++i) store(rows[i], to + i * to_step);
  } else {
    for (std::size_t i = 0; i < lanes; ++i)
      for (std::size_t k = 0; k < lanes; ++k) {
        float* const word = to + k * to_step + i;
        if constexpr (Rounds)
          put_pair(from[i * step + 2 * k], from[i * step + 2 * k + 1], word);
        else
          __builtin_memcpy(word, from + i * step + k, sizeof(float));
      }
  }
}
template <bool InRegisters>
[[gnu::always_inline]] inline void turn_words_in(const float* from, std::size_t step, float* to, std::size_t to_step) {
  turn_lines<InRegisters, false>(from, step, to, to_step);
}
REMAT_VECTORISED_IN_REGISTERS(turn_words, (const float* from, std::size_t step, float* to, std::size_t to_step), from,
                              step, to, to_step)
template <bool InRegisters>
[[gnu::always_inline]] inline void turn_rounded_in(const float* from, std::size_t step, float* to,
                                                   std::size_t to_step) {
  turn_lines<InRegisters, true>(from, step, to, to_step);
}
REMAT_VECTORISED_IN_REGISTERS(turn_rounded, (const float* from, std::size_t step, float* to, std::size_t to_step), from,
                              step, to, to_step)

/// Columns of a panel.
inline constexpr std::size_t panel_width = 64;

[[gnu::always_inline]] inline void pair_sixteen(const float* first, const float* second, float* to) {
  vector_of_lanes upper, lower;
  load(upper, first);
  load(lower, second);
  round_32(upper, lower, upper);
  interleave(upper);
  store(upper, to);
}
[[gnu::always_inline]] inline void pair_sixteen(const bfloat16* first, const bfloat16* second, float* to) {
  vector_of_lanes both;
  __builtin_memcpy(&both, first, sizeof both / 2);
  __builtin_memcpy(reinterpret_cast<float*>(&both) + lanes / 2, second, sizeof both / 2);
  interleave(both);
  store(both, to);
}

/// Pairs of sixteen numbers, `step` apart, become vectors of pairs, `to_step` words apart.
template <bool InRegisters>
[[gnu::always_inline]] inline void pair_lines_in(const float* from, std::size_t step, float* to, std::size_t to_step,
                                                 std::size_t pairs) {
  for (std::size_t p = 0; p < pairs; ++p, from += 2 * step, to += to_step)
    if constexpr (InRegisters)
      pair_sixteen(from, from + step, to);
    else
      for (std::size_t k = 0; k < lanes; ++k) put_pair(from[k], from[step + k], to + k);
}
REMAT_VECTORISED_IN_REGISTERS(pair_lines,
                              (const float* from, std::size_t step, float* to, std::size_t to_step, std::size_t pairs),
                              from, step, to, to_step, pairs)

/// Pairs of rows, `step` numbers from one row to the next, become rows of pairs in each panel, `apart` words from one
/// panel to the next.
template <bool InRegisters, class X>
[[gnu::always_inline]] inline void pair_rows(const X* rows, std::size_t step, std::size_t pairs, std::size_t columns,
                                             float* to, std::size_t apart) {
  std::size_t c = 0;
  if constexpr (InRegisters)
    for (; c + panel_width <= columns; c += panel_width, to += apart)
      for (std::size_t p = 0; p < pairs; ++p) {
        const X* const first = rows + 2 * p * step + c;
#pragma GCC unroll 8
        for (std::size_t k = 0; k < panel_width; k += lanes)
          pair_sixteen(first + k, first + step + k, to + p * panel_width + k);
      }
  for (; c < columns; c += panel_width, to += apart)
    for (std::size_t p = 0; p < pairs; ++p)
      for (std::size_t k = 0; k < panel_width && c + k < columns; ++k) {
        const X* const first = rows + 2 * p * step + c + k;
        put_pair(float_of(first[0]), float_of(first[step]), to + p * panel_width + k);
      }
}
template <bool InRegisters>
[[gnu::always_inline]] inline void pair_floats_in(const float* rows, std::size_t step, std::size_t pairs,
                                                  std::size_t columns, float* to, std::size_t apart) {
  pair_rows<InRegisters>(rows, step, pairs, columns, to, apart);
}
REMAT_VECTORISED_IN_REGISTERS(pair_floats,
                              (const float* rows, std::size_t step, std::size_t pairs, std::size_t columns, float* to,
                               std::size_t apart),
                              rows, step, pairs, columns, to, apart)
template <bool InRegisters>
[[gnu::always_inline]] inline void pair_rounded_in(const bfloat16* rows, std::size_t step, std::size_t pairs,
                                                   std::size_t columns, float* to, std::size_t apart) {
  pair_rows<InRegisters>(rows, step, pairs, columns, to, apart);
}
REMAT_VECTORISED_IN_REGISTERS(pair_rounded,
                              (const bfloat16* rows, std::size_t step, std::size_t pairs, std::size_t columns,
                               float* to, std::size_t apart),
                              rows, step, pairs, columns, to, apart)

REMAT_END_VECTOR_CODE

}  // namespace remat::nn::detail
