// SPDX-License-Identifier: MIT
/// Rows of 8 to 64 elements, as the classes of a pixel are, sixteen at a time: a vector would be half empty in each of
/// them, and a sum over its lanes would cost more than what is summed up. Shorter ones are in row_columns.hpp.
///
///     whole_rows    sixteen rows, one after another
///     fold_rows     one number for each row: its sum, or its largest element
///     spread_rows   the same number for each element of a row
///
/// In between, loops run over all elements of the sixteen rows at once. What is computed of a row does not depend on
/// the others, nor on its place among them.
#pragma once

#include <remat/nn/vector_of_lanes.hpp>

#include <cstddef>
#include <limits>
#include <utility>

namespace remat::nn::detail {

inline constexpr std::size_t rows_at_once = 16;
inline constexpr std::size_t longest_short_row = 64;

/// The elements of sixteen rows; whole vectors may be read and written at the end of each.
struct short_rows {
  alignas(64) float elements[(rows_at_once * longest_short_row) + lanes];
};

REMAT_BEGIN_VECTOR_CODE

struct sum_of_two {
  static constexpr float nothing = 0;
  template <class V>
  [[gnu::always_inline]] static void join(V& a, const V& b) {
    a += b;
  }
};
struct larger_of_two {
  static constexpr float nothing = -std::numeric_limits<float>::infinity();
  template <class V>
  [[gnu::always_inline]] static void join(V& a, const V& b) {
    a = a > b ? a : b;
  }
};

/// Lane l becomes that of a, joined with lane l + D of a, where bit D of l is 0; and lane l - D of b, joined with lane
/// l of b, where it is 1. L are the numbers of the lanes.
template <class Join, std::size_t D, std::size_t... L>
[[gnu::always_inline]] inline void fold_two(vector_of_lanes& a, const vector_of_lanes& b, std::index_sequence<L...>) {
  vector_of_lanes lower = __builtin_shufflevector(a, b, ((L & D) != 0 ? lanes + L - D : L)...);
  const vector_of_lanes upper = __builtin_shufflevector(a, b, ((L & D) != 0 ? lanes + L : L + D)...);
  Join::join(lower, upper);
  a = lower;
}
/// Calls f for 0, Step, ... below `rows_at_once`: in registers, one call after another and no loop.
template <bool InRegisters, std::size_t Step, class F>
[[gnu::always_inline]] inline void each_row(const F& f) {
  if constexpr (InRegisters) {
#pragma GCC unroll 16
    for (std::size_t l = 0; l < rows_at_once; l += Step) f(l);
  } else {
#pragma GCC unroll 1
    for (std::size_t l = 0; l < rows_at_once; l += Step) f(l);
  }
}
template <class Join, bool InRegisters, std::size_t D>
[[gnu::always_inline]] inline void fold_neighbours(vector_of_lanes* v) {
  each_row<InRegisters, 2 * D>([v](std::size_t l) __attribute__((always_inline)) {
    fold_two<Join, D>(v[l], v[l + D], std::make_index_sequence<lanes>());
  });
}

/// Lane k of `all` becomes the elements k, k + 16, ... of a row, joined; `is_there` says which the row's rest has.
template <class Join>
[[gnu::always_inline]] inline void join_row(const float* row, std::size_t size, const lane_numbers& is_there,
                                            vector_of_lanes& all) {
  const std::size_t whole = size - size % lanes;
  vector_of_lanes some;
  load(some, row + whole);
  all = is_there ? some : vector_of_lanes{} + Join::nothing;
  for (std::size_t c = 0; c < whole; c += lanes) {
    load(some, row + c);
    Join::join(all, some);
  }
}

/// to[l] becomes the sum, or the largest element, of row l.
template <class Join, bool InRegisters>
[[gnu::always_inline]] inline void fold_rows(const float* rows, std::size_t size, float* to) {
  vector_of_lanes v[rows_at_once];
  const lane_numbers lane = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  const lane_numbers is_there = lane < static_cast<int>(size % lanes);
  each_row<InRegisters, 1>([&](std::size_t l) __attribute__((always_inline)) {
    join_row<Join>(rows + l * size, size, is_there, v[l]);
  });
  fold_neighbours<Join, InRegisters, 1>(v);
  fold_neighbours<Join, InRegisters, 2>(v);
  fold_neighbours<Join, InRegisters, 4>(v);
  fold_neighbours<Join, InRegisters, 8>(v);
  store(v[0], to);
}

/// Every element of row l becomes values[l].
[[gnu::always_inline]] inline void spread_rows(const float* values, std::size_t size, float* to) {
  for (std::size_t l = 0; l < rows_at_once; ++l) {
    const float value = values[l];
    for (std::size_t c = 0; c < size; c += lanes)
      for (std::size_t k = 0; k < lanes; ++k) to[l * size + c + k] = value;
  }
}

/// Sixteen rows, of which whole vectors may be read at the end: where they are, or, where only `left` elements
/// are left, in a copy with zeros after them.
[[gnu::always_inline]] inline const float* whole_rows(const float* from, std::size_t left, std::size_t size,
                                                      short_rows& copy) {
  const std::size_t all = rows_at_once * size;
  if (left >= all + lanes) return from;
  for (std::size_t k = 0; k < all; ++k) copy.elements[k] = k < left ? from[k] : 0;
  return copy.elements;
}

REMAT_END_VECTOR_CODE

}  // namespace remat::nn::detail
