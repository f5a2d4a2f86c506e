// SPDX-License-Identifier: MIT
/// Rows of at most seven elements, as the classes of a pixel are, 64 at a time and turned: column c holds element c of
/// each of them. The largest element of a row, or its sum, is then one of a few vectors, in loops as simple as those
/// over long rows.
///
///     columns_of    reads rows
///     rows_of       writes them, or adds them to what is there
///
/// What is computed of a row does not depend on the others, nor on its place among them: where fewer than 64 are left,
/// the same is computed of zeros, and not written.
#pragma once

#include <remat/nn/short_rows.hpp>
#include <remat/nn/turned_rows.hpp>

#include <cstddef>
#include <utility>

namespace remat::nn::detail {

/// Of eight elements, sixteen rows at a time (short_rows.hpp) take no longer.
inline constexpr std::size_t longest_row_in_columns = 7;
inline constexpr std::size_t rows_in_columns = 64;

/// The loop for rows of this length: in columns, sixteen rows at a time, or row by row.
template <class F>
constexpr F* loop_for_rows_of(std::size_t size, F& in_columns, F& short_rows, F& rows) {
  return size <= longest_row_in_columns ? &in_columns : size <= longest_short_row ? &short_rows : &rows;
}

/// Column c of 64 rows is [c].
struct row_columns {
  alignas(64) float elements[longest_row_in_columns * rows_in_columns];

  float* operator[](std::size_t c) { return elements + c * rows_in_columns; }
  const float* operator[](std::size_t c) const { return elements + c * rows_in_columns; }
};

REMAT_BEGIN_VECTOR_CODE

/// Calls f with the index sequence 0 ... size - 1, so that the shuffles' lanes are constants.
template <class F, std::size_t... Last>
[[gnu::always_inline]] inline void with_elements(std::size_t size, const F& f, std::index_sequence<Last...>) {
  ((size == Last + 1 ? f(std::make_index_sequence<Last + 1>()) : void()), ...);
}

template <bool InRegisters>
[[gnu::always_inline]] inline void rows_to_columns_in(const float* rows, std::size_t size, row_columns& to) {
  if constexpr (InRegisters) {
    const auto turn = [&](auto each) __attribute__((always_inline)) {
      for (std::size_t l = 0; l < rows_in_columns; l += rows_at_once)
        turn_to_columns<each.size()>(rows + l * each.size(), to.elements + l, rows_in_columns, each);
    };
    with_elements(size, turn, std::make_index_sequence<longest_row_in_columns>());
  } else {
    for (std::size_t c = 0; c < size; ++c)
      for (std::size_t l = 0; l < rows_in_columns; ++l) to[c][l] = rows[l * size + c];
  }
}
REMAT_VECTORISED_IN_REGISTERS(rows_to_columns, (const float* rows, std::size_t size, row_columns& to), rows, size, to)

template <bool InRegisters>
[[gnu::always_inline]] inline void columns_to_rows_in(const row_columns& from, std::size_t size, float* rows) {
  if constexpr (InRegisters) {
    const auto turn = [&](auto each) __attribute__((always_inline)) {
      for (std::size_t l = 0; l < rows_in_columns; l += rows_at_once)
        turn_to_rows<each.size()>(from.elements + l, rows + l * each.size(), rows_in_columns, each);
    };
    with_elements(size, turn, std::make_index_sequence<longest_row_in_columns>());
  } else {
    for (std::size_t c = 0; c < size; ++c)
      for (std::size_t l = 0; l < rows_in_columns; ++l) rows[l * size + c] = from[c][l];
  }
}
REMAT_VECTORISED_IN_REGISTERS(columns_to_rows, (const row_columns& from, std::size_t size, float* rows), from, size,
                              rows)

/// The columns of 64 rows; where only `left` elements remain, zeros follow them.
[[gnu::always_inline]] inline void columns_of(const float* rows, std::size_t left, std::size_t size, row_columns& to) {
  const std::size_t all = rows_in_columns * size;
  if (left >= all) return rows_to_columns(rows, size, to);
  row_columns copy;
  for (std::size_t k = 0; k < all; ++k) copy.elements[k] = k < left ? rows[k] : 0;
  rows_to_columns(copy.elements, size, to);
}

/// The reverse, of the first `left` elements.
[[gnu::always_inline]] inline void rows_of(const row_columns& from, std::size_t size, bool adds, float* to,
                                           std::size_t left) {
  const std::size_t all = rows_in_columns * size, count = left < all ? left : all;
  if (!adds && left >= all) return columns_to_rows(from, size, to);
  row_columns copy;
  const float* const rows = copy.elements;
  columns_to_rows(from, size, copy.elements);
  for (std::size_t k = 0; k < count; ++k) to[k] = adds ? to[k] + rows[k] : rows[k];
}

REMAT_END_VECTOR_CODE

}  // namespace remat::nn::detail
