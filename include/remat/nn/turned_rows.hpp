// SPDX-License-Identifier: MIT
/// Sixteen rows of a few elements, Size vectors in memory, become columns, and columns rows again, in registers.
///
///     turn_to_columns<Size>    column c is a vector: element c of the sixteen rows
///     turn_to_rows<Size>       the reverse
///
/// A row is `units_of_row` units, an odd number, of `unit` elements each, a power of two; the elements of a unit stay
/// together. `unit` groups of `units_of_row` vectors have 16 / unit rows each. Of 6 elements, a group is three vectors
/// with the three units of two elements of eight rows; 5.1 is unit 1 of row 5:
///
///     in memory                                       rotated
///     0.0  0.1  0.2  1.0  1.1  1.2  2.0  2.1          0.0  3.0  6.0  1.0  4.0  7.0  2.0  5.0
///     2.2  3.0  3.1  3.2  4.0  4.1  4.2  5.0          2.2  5.2  0.2  3.2  6.2  1.2  4.2  7.2
///     5.1  5.2  6.0  6.1  6.2  7.0  7.1  7.2          5.1  0.1  3.1  6.1  1.1  4.1  7.1  2.1
///
/// The same unit of all rows is in different lanes, of different vectors. Each lane is rotated through the vectors
/// (here by 0, 1, 2, 0, 1, 2, 0 and 1), in a blend for each bit of the rotation, so that it is in one vector. What is
/// left is a permutation of its lanes, together with those of the other groups.
#pragma once

#include <remat/nn/vector_of_lanes.hpp>

#include <cstddef>
#include <utility>

namespace remat::nn::detail {

/// Where elements are before lanes trade places. The searches end, since units_of_vector and units_of_row are coprime.
template <std::size_t Size>
struct turned_places {
  static constexpr std::size_t unit = Size & (~Size + 1), units_of_row = Size / unit;
  static_assert(unit <= lanes / 2 && units_of_row < 8);
  static constexpr std::size_t units_of_vector = lanes / unit;  ///< and the rows of a group
  /// The vector of a group that holds the unit of a column.
  static constexpr std::size_t vector_of(std::size_t column) {
    std::size_t v = 0;
    while (units_of_vector * v % units_of_row != column / unit) ++v;
    return v;
  }
  /// By how many vectors a lane is rotated: of vector v, it is then that of vector (v + rotation) % units_of_row.
  static constexpr std::size_t rotation(std::size_t lane) {
    std::size_t r = 0;
    while ((units_of_vector * r + lane / unit) % units_of_row != 0) ++r;
    return r;
  }
  /// The row, within its group, in a lane of a rotated vector.
  static constexpr std::size_t row_in(std::size_t vector, std::size_t lane) {
    return (units_of_vector * ((vector + rotation(lane)) % units_of_row) + lane / unit) / units_of_row;
  }
  /// The lane of an element of a row.
  static constexpr std::size_t lane_of(std::size_t row, std::size_t column) {
    return (row % units_of_vector * units_of_row + column / unit) % units_of_vector * unit + column % unit;
  }
};

REMAT_BEGIN_VECTOR_CODE

/// In lanes whose rotation has the bit By, vectors become those that are By further in their group, or before them.
template <class At, bool Back, std::size_t By, std::size_t... L>
[[gnu::always_inline]] inline void rotate_by(vector_of_lanes* v, std::index_sequence<L...>) {
  if constexpr (By < At::units_of_row) {
    constexpr std::size_t step = Back ? At::units_of_row - By : By;
    vector_of_lanes old[At::units_of_row];
#pragma GCC unroll 8
    for (std::size_t first = 0; first < At::unit * At::units_of_row; first += At::units_of_row) {
#pragma GCC unroll 8
      for (std::size_t k = 0; k < At::units_of_row; ++k) old[k] = v[first + k];
#pragma GCC unroll 8
      for (std::size_t k = 0; k < At::units_of_row; ++k)
        v[first + k] = __builtin_shufflevector(old[k], old[(k + step) % At::units_of_row],
                                               ((At::rotation(L) & By) != 0 ? lanes + L : L)...);
    }
  }
}
template <class At, bool Back>
[[gnu::always_inline]] inline void rotate(vector_of_lanes* v) {
  rotate_by<At, Back, 1>(v, std::make_index_sequence<lanes>());
  rotate_by<At, Back, 2>(v, std::make_index_sequence<lanes>());
  rotate_by<At, Back, 4>(v, std::make_index_sequence<lanes>());
}

/// One vector after another is put into one: the first two at once, a single one by itself.
template <class At>
inline constexpr std::size_t first_step = At::unit == 1 ? 0 : 1;
template <class At>
using steps = std::make_index_sequence<At::unit - first_step<At>>;

/// Of a column, the rows of group G.
template <class At, std::size_t Column, std::size_t G, std::size_t... L>
[[gnu::always_inline]] inline void take_group(vector_of_lanes& to, const vector_of_lanes& from,
                                              std::index_sequence<L...>) {
  to = __builtin_shufflevector(to, from,
                               (L / At::units_of_vector == G ? lanes + At::lane_of(L, Column)
                                : G < 2                      ? At::lane_of(L, Column)
                                                             : L)...);
}
template <class At, std::size_t Column, std::size_t... Step>
[[gnu::always_inline]] inline void put_column(const vector_of_lanes* v, float* column, std::index_sequence<Step...>) {
  constexpr std::size_t which = At::vector_of(Column), first = first_step<At>;
  vector_of_lanes to = v[which];
  (take_group<At, Column, Step + first>(to, v[(Step + first) * At::units_of_row + which],
                                        std::make_index_sequence<lanes>()),
   ...);
  store(to, column);
}

/// Of rotated vector V, element I of its units.
template <class At, std::size_t V, std::size_t I, std::size_t... L>
[[gnu::always_inline]] inline void take_element(vector_of_lanes& to, const vector_of_lanes& from,
                                                std::index_sequence<L...>) {
  constexpr std::size_t first = V / At::units_of_row * At::units_of_vector;
  to = __builtin_shufflevector(to, from,
                               (L % At::unit == I ? lanes + first + At::row_in(V % At::units_of_row, L)
                                : I < 2           ? first + At::row_in(V % At::units_of_row, L)
                                                  : L)...);
}
template <class At, std::size_t V, std::size_t... Step>
[[gnu::always_inline]] inline void take_columns(const vector_of_lanes* columns, vector_of_lanes& to,
                                                std::index_sequence<Step...>) {
  constexpr std::size_t which = At::units_of_vector * (V % At::units_of_row) % At::units_of_row, first = first_step<At>;
  const vector_of_lanes* const of_unit = columns + which * At::unit;
  to = of_unit[0];
  (take_element<At, V, Step + first>(to, of_unit[Step + first], std::make_index_sequence<lanes>()), ...);
}

/// `apart` are the elements from one column to the next; C are the numbers of the columns.
template <std::size_t Size, std::size_t... C>
[[gnu::always_inline]] inline void turn_to_columns(const float* rows, float* columns, std::size_t apart,
                                                   std::index_sequence<C...>) {
  using at = turned_places<Size>;
  vector_of_lanes v[Size];
  (load(v[C], rows + C * lanes), ...);
  rotate<at, false>(v);
  (put_column<at, C>(v, columns + C * apart, steps<at>()), ...);
}
template <std::size_t Size, std::size_t... C>
[[gnu::always_inline]] inline void turn_to_rows(const float* columns, float* rows, std::size_t apart,
                                                std::index_sequence<C...>) {
  using at = turned_places<Size>;
  vector_of_lanes c[Size], v[Size];
  (load(c[C], columns + C * apart), ...);
  (take_columns<at, C>(c, v[C], steps<at>()), ...);
  rotate<at, true>(v);
  (store(v[C], rows + C * lanes), ...);
}

REMAT_END_VECTOR_CODE

}  // namespace remat::nn::detail
