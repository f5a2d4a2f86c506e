// SPDX-License-Identifier: MIT
/// Sixteen rows of a few elements, Size vectors in memory, become columns, and columns rows again, in registers.
///
///     turn_to_columns<Size>    column c is a vector: element c of the sixteen rows
///     turn_to_rows<Size>       the reverse
///
/// Size is odd * even, even a power of two. Elements in pieces of `even`, units, stay together; even groups of odd
/// vectors have 16 / even rows each. The units of a column are in different lanes, of different vectors of its group.
/// Each lane is rotated through these vectors, by a blend for each bit of the rotation, so that they are in one vector;
/// what is left is a permutation of its lanes, together with those of the other groups.
#pragma once

#include <remat/nn/short_rows.hpp>

#include <cstddef>
#include <utility>

namespace remat::nn::detail {

/// Where elements are before lanes trade places.
template <std::size_t Size>
struct turned_places {
  static constexpr std::size_t even = Size & (~Size + 1), odd = Size / even;
  static_assert(even <= lanes / 2 && odd < 8);
  static constexpr std::size_t units = lanes / even;  ///< of a vector, and rows of a group
  /// The vector of a group that holds the unit of a column.
  static constexpr std::size_t vector_of(std::size_t column) {
    std::size_t v = 0;
    while (units * v % odd != column / even) ++v;
    return v;
  }
  /// By how many vectors a lane is rotated: of vector v, it is then that of vector (v + rotation) % odd.
  static constexpr std::size_t rotation(std::size_t lane) {
    std::size_t r = 0;
    while ((units * r + lane / even) % odd != 0) ++r;
    return r;
  }
  /// The row, within its group, in a lane of a rotated vector.
  static constexpr std::size_t row_in(std::size_t vector, std::size_t lane) {
    return (units * ((vector + rotation(lane)) % odd) + lane / even) / odd;
  }
  /// The lane of an element of a row.
  static constexpr std::size_t lane_of(std::size_t row, std::size_t column) {
    return (row % units * odd + column / even) % units * even + column % even;
  }
};

REMAT_BEGIN_VECTOR_CODE

/// In lanes whose rotation has the bit By, vectors become those that are By further in their group, or before them.
template <class At, bool Back, std::size_t By, std::size_t... L>
[[gnu::always_inline]] inline void rotate_by(vector_of_lanes* v, std::index_sequence<L...>) {
  if constexpr (By < At::odd) {
    constexpr std::size_t step = Back ? At::odd - By : By;
    vector_of_lanes old[At::odd];
#pragma GCC unroll 8
    for (std::size_t first = 0; first < At::even * At::odd; first += At::odd) {
#pragma GCC unroll 8
      for (std::size_t k = 0; k < At::odd; ++k) old[k] = v[first + k];
#pragma GCC unroll 8
      for (std::size_t k = 0; k < At::odd; ++k)
        v[first + k] = __builtin_shufflevector(old[k], old[(k + step) % At::odd],
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
inline constexpr std::size_t first_step = At::even == 1 ? 0 : 1;
template <class At>
using steps = std::make_index_sequence<At::even - first_step<At>>;

/// Of a column, the rows of group G.
template <class At, std::size_t Column, std::size_t G, std::size_t... L>
[[gnu::always_inline]] inline void take_group(vector_of_lanes& to, const vector_of_lanes& from,
                                              std::index_sequence<L...>) {
  to = __builtin_shufflevector(to, from,
                               (L / At::units == G ? lanes + At::lane_of(L, Column)
                                : G < 2            ? At::lane_of(L, Column)
                                                   : L)...);
}
template <class At, std::size_t Column, std::size_t... Step>
[[gnu::always_inline]] inline void put_column(const vector_of_lanes* v, float* column, std::index_sequence<Step...>) {
  constexpr std::size_t which = At::vector_of(Column), first = first_step<At>;
  vector_of_lanes to = v[which];
  (take_group<At, Column, Step + first>(to, v[(Step + first) * At::odd + which], std::make_index_sequence<lanes>()),
   ...);
  store(to, column);
}

/// Of rotated vector V, element I of its units.
template <class At, std::size_t V, std::size_t I, std::size_t... L>
[[gnu::always_inline]] inline void take_element(vector_of_lanes& to, const vector_of_lanes& from,
                                                std::index_sequence<L...>) {
  constexpr std::size_t first = V / At::odd * At::units;
  to = __builtin_shufflevector(to, from,
                               (L % At::even == I ? lanes + first + At::row_in(V % At::odd, L)
                                : I < 2           ? first + At::row_in(V % At::odd, L)
                                                  : L)...);
}
template <class At, std::size_t V, std::size_t... Step>
[[gnu::always_inline]] inline void take_columns(const vector_of_lanes* columns, vector_of_lanes& to,
                                                std::index_sequence<Step...>) {
  constexpr std::size_t unit = At::units * (V % At::odd) % At::odd, first = first_step<At>;
  const vector_of_lanes* const of_unit = columns + unit * At::even;
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
