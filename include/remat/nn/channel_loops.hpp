// SPDX-License-Identifier: MIT
/// The loops over rows of channels (channel_rows.hpp) that give rows.
#pragma once

#include <remat/core/element.hpp>
#include <remat/nn/channel_rows.hpp>

#include <cstddef>

namespace remat::nn::detail {

REMAT_BEGIN_VECTOR_CODE

/// Calls of<W>(columns, element, v) for all columns of all rows, and writes what v becomes. Of `Floats` all numbers are
/// of float32, and nothing asks for their type.
template <std::size_t Vector, bool Floats, class F>
[[gnu::always_inline]] inline void write_rows(const channel_rows& l, const F& of) {
  for (std::size_t r = 0, row = 0; r < l.rows; ++r, row += l.stride)
    for_vectors<Vector, 1>(
        l.columns, [&]<std::size_t W, std::size_t Count>(std::size_t k) __attribute__((always_inline)) {
          typename number_vector<W>::floats v;
          of.template operator()<W>(k, row + k, v);
          write<W, Floats>(v, l.to, row + k);
        });
}

template <std::size_t Vector, bool Acts, bool Floats>
[[gnu::always_inline]] inline void scale_of(const channel_rows l) {
  write_rows<Vector, Floats>(
      l, [&]<std::size_t W>(std::size_t k, std::size_t at, auto& v) __attribute__((always_inline)) {
        column_scale<W> by;
        by.read(l, k);
        read<W, Floats>(v, l.x, at);
        v = (v - by.mean) * by.scale + by.shift;
        pass_relu<Acts>(v, v);
      });
}

template <std::size_t Vector, bool Acts, bool Floats>
[[gnu::always_inline]] inline void scale_gradients_of(const channel_rows l) {
  write_rows<Vector, Floats>(
      l, [&]<std::size_t W>(std::size_t k, std::size_t at, auto& v) __attribute__((always_inline)) {
        column_scale<W> by;
        typename number_vector<W>::floats d, average, slope;
        by.read(l, k);
        number_vector<W>::read(average, l.average + k);
        number_vector<W>::read(slope, l.slope + k);
        read<W, Floats>(d, l.x, at);
        read<W, Floats>(v, l.dy, at);
        by.template pass_back<Acts>(d, v);
        v = by.scale * (v - average - d * slope);
      });
}

template <std::size_t Vector, bool Acts, bool Floats>
[[gnu::always_inline]] inline void pass_gradients_of(const channel_rows l) {
  write_rows<Vector, Floats>(
      l, [&]<std::size_t W>(std::size_t k, std::size_t at, auto& v) __attribute__((always_inline)) {
        column_scale<W> by;
        by.read(l, k);
        read<W, Floats>(v, l.dy, at);
        if constexpr (Acts) {
          typename number_vector<W>::floats d;
          read<W, Floats>(d, l.x, at);
          by.template pass_back<Acts>(d, v);
        }
        v = by.scale * v;
      });
}

template <std::size_t Vector, bool Acts, bool Floats>
[[gnu::always_inline]] inline void run_of(channel_loop which, const channel_rows& l) {
  if (which == channel_loop::scale) return scale_of<Vector, Acts, Floats>(l);
  if (which == channel_loop::scale_gradients) return scale_gradients_of<Vector, Acts, Floats>(l);
  pass_gradients_of<Vector, Acts, Floats>(l);
}
template <bool InRegisters>
[[gnu::always_inline]] inline void run_channel_loop_in(channel_loop which, const channel_rows& l) {
  constexpr std::size_t vector = InRegisters ? 16 : 8;
  constexpr element floats = element::float32;
  if (l.x.type == floats && l.dy.type == floats && l.to.type == floats)
    return l.acts ? run_of<vector, true, true>(which, l) : run_of<vector, false, true>(which, l);
  l.acts ? run_of<vector, true, false>(which, l) : run_of<vector, false, false>(which, l);
}
REMAT_VECTORISED_IN_REGISTERS(run_channel_loop, (channel_loop which, const channel_rows& l), which, l)

REMAT_END_VECTOR_CODE

}  // namespace remat::nn::detail
