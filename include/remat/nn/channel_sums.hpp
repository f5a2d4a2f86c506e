// SPDX-License-Identifier: MIT
/// The loops over rows of channels (channel_rows.hpp) that give sums.
///
/// A column is summed in blocks of rows, whose sums are floats that become doubles. A block deviates from the mean of
/// those before it, and the first from its own: a mean of 1000 costs a variance of 1 nothing. Within a block a few rows
/// are summed at a time, columns in registers: they are read in the order of memory.
#pragma once

#include <remat/core/bfloat16.hpp>
#include <remat/nn/channel_rows.hpp>

#include <cstddef>

namespace remat::nn::detail {

REMAT_BEGIN_VECTOR_CODE

inline constexpr std::size_t rows_of_a_block = 64, rows_of_a_strip = 8;

/// f(first, rows) for strips of the rows of a block.
template <class F>
[[gnu::always_inline]] inline void for_strips(std::size_t rows, const F& f) {
  for (std::size_t r = 0; r < rows; r += rows_of_a_strip) f(r, rows - r < rows_of_a_strip ? rows - r : rows_of_a_strip);
}
/// As many columns as have all that a loop needs in registers.
template <bool InRegisters, class F>
[[gnu::always_inline]] inline void for_columns_in_registers(std::size_t columns, const F& f) {
  for_vectors<InRegisters ? 16 : 8, 4>(columns, f);
}

template <std::size_t Width, std::size_t Count>
[[gnu::always_inline]] inline void read_all(typename number_vector<Width>::floats (&v)[Count], const float* from) {
#pragma GCC unroll 8
  for (std::size_t i = 0; i < Count; ++i) number_vector<Width>::read(v[i], from + i * Width);
}
template <std::size_t Width, std::size_t Count>
[[gnu::always_inline]] inline void write_all(const typename number_vector<Width>::floats (&v)[Count], float* to) {
#pragma GCC unroll 8
  for (std::size_t i = 0; i < Count; ++i) number_vector<Width>::write(v[i], to + i * Width);
}

/// Sums of columns over one block.
using column_floats = float[channel_rows::most_columns];

/// Adds rows up.
template <bool InRegisters, class X>
[[gnu::always_inline]] inline void add_rows(const X* x, std::size_t rows, std::size_t stride, std::size_t columns,
                                            float* sums) {
  for_columns_in_registers<InRegisters>(
      columns, [&]<std::size_t Width, std::size_t Count>(std::size_t k) __attribute__((always_inline)) {
        using vectors = number_vector<Width>;
        typename vectors::floats sum[Count], v;
        read_all<Width>(sum, sums + k);
        for (std::size_t r = 0; r < rows; ++r)
#pragma GCC unroll 8
          for (std::size_t i = 0; i < Count; ++i) {
            vectors::read(v, x + r * stride + k + i * Width);
            sum[i] += v;
          }
        write_all<Width>(sum, sums + k);
      });
}
/// Adds up how far rows are from a middle, and the squares.
template <bool InRegisters, class X>
[[gnu::always_inline]] inline void add_deviations(const X* x, std::size_t rows, std::size_t stride, std::size_t columns,
                                                  const float* middle, float* offsets, float* squares) {
  for_columns_in_registers<InRegisters>(
      columns, [&]<std::size_t Width, std::size_t Count>(std::size_t k) __attribute__((always_inline)) {
        using vectors = number_vector<Width>;
        typename vectors::floats mid[Count], offset[Count], square[Count], v;
        read_all<Width>(mid, middle + k);
        read_all<Width>(offset, offsets + k);
        read_all<Width>(square, squares + k);
        for (std::size_t r = 0; r < rows; ++r)
#pragma GCC unroll 8
          for (std::size_t i = 0; i < Count; ++i) {
            vectors::read(v, x + r * stride + k + i * Width);
            v -= mid[i];
            offset[i] += v;
            square[i] += v * v;
          }
        write_all<Width>(offset, offsets + k);
        write_all<Width>(square, squares + k);
      });
}

template <bool InRegisters, class X>
[[gnu::always_inline]] inline void moments_of(const channel_rows& l, const X* x) {
  column_floats middles, offsets, squared;
  float *const m = middles, *const o = offsets, *const s = squared;
  double *const mean = l.first, *const squares = l.second;
  for_columns(l.columns, [=](std::size_t k) { mean[k] = squares[k] = 0; });
  for (std::size_t done = 0; done < l.rows; done += rows_of_a_block) {
    const std::size_t rows = l.rows - done < rows_of_a_block ? l.rows - done : rows_of_a_block;
    const X* const block = x + done * l.stride;
    for_columns(l.columns, [=](std::size_t k) {
      m[k] = static_cast<float>(mean[k]);
      o[k] = s[k] = 0;
    });
    if (done == 0) {
      for_strips(
          rows, [&](std::size_t r, std::size_t count) __attribute__((always_inline)) {
            add_rows<InRegisters>(block + r * l.stride, count, l.stride, l.columns, m);
          });
      const float one = 1 / static_cast<float>(rows);
      for_columns(l.columns, [=](std::size_t k) { m[k] *= one; });
    }
    for_strips(
        rows, [&](std::size_t r, std::size_t count) __attribute__((always_inline)) {
          add_deviations<InRegisters>(block + r * l.stride, count, l.stride, l.columns, m, o, s);
        });
    // Two means and their squares become one (Chan, Golub and LeVeque 1979).
    const double inverse = 1 / static_cast<double>(rows);
    const double share = static_cast<double>(rows) / static_cast<double>(done + rows);
    const double weight = static_cast<double>(done) * share;
    for_columns(l.columns, [=](std::size_t k) {
      const double d = static_cast<double>(o[k]);
      const double apart = static_cast<double>(m[k]) + d * inverse - mean[k];
      mean[k] += apart * share;
      squares[k] += static_cast<double>(s[k]) - d * d * inverse + apart * apart * weight;
    });
  }
}

/// Adds up the gradients of rows, and their products with how far x is from the mean.
template <bool InRegisters, bool Acts, class X, class Dy>
[[gnu::always_inline]] inline void add_gradients(const channel_rows& l, const X* x, const Dy* dy, std::size_t rows,
                                                 float* sums, float* products) {
  for_columns_in_registers<InRegisters>(
      l.columns, [&]<std::size_t Width, std::size_t Count>(std::size_t k) __attribute__((always_inline)) {
        using vectors = number_vector<Width>;
        column_scale<Width> by[Count];
        typename vectors::floats sum[Count], product[Count], d, g;
        read_all<Width>(sum, sums + k);
        read_all<Width>(product, products + k);
#pragma GCC unroll 8
        for (std::size_t i = 0; i < Count; ++i) by[i].read(l, k + i * Width);
        for (std::size_t r = 0; r < rows; ++r)
#pragma GCC unroll 8
          for (std::size_t i = 0; i < Count; ++i) {
            vectors::read(d, x + r * l.stride + k + i * Width);
            vectors::read(g, dy + r * l.stride + k + i * Width);
            by[i].template pass_back<Acts>(d, g);
            sum[i] += g;
            product[i] += g * d;
          }
        write_all<Width>(sum, sums + k);
        write_all<Width>(product, products + k);
      });
}

template <bool InRegisters, bool Acts, class X, class Dy>
[[gnu::always_inline]] inline void gradient_sums_of(const channel_rows& l, const X* x, const Dy* dy) {
  column_floats gradients, products_of_block;
  float *const sum = gradients, *const product = products_of_block;
  double *const first = l.first, *const second = l.second;
  for_columns(l.columns, [=](std::size_t k) { first[k] = second[k] = 0; });
  for (std::size_t done = 0; done < l.rows; done += rows_of_a_block) {
    const std::size_t rows = l.rows - done < rows_of_a_block ? l.rows - done : rows_of_a_block;
    for_columns(l.columns, [=](std::size_t k) { sum[k] = product[k] = 0; });
    for_strips(
        rows, [&](std::size_t r, std::size_t count) __attribute__((always_inline)) {
          const std::size_t at = (done + r) * l.stride;
          add_gradients<InRegisters, Acts>(l, x + at, dy + at, count, sum, product);
        });
    for_columns(l.columns, [=](std::size_t k) {
      first[k] += static_cast<double>(sum[k]);
      second[k] += static_cast<double>(product[k]);
    });
  }
}

/// Of the types of x and dy.
template <bool InRegisters, class X>
[[gnu::always_inline]] inline void sum_channels_of(channel_loop which, const channel_rows& l, const X* x) {
  if (which == channel_loop::moments) return moments_of<InRegisters>(l, x);
  const auto of_gradients = [&](const auto* dy) __attribute__((always_inline)) {
    l.acts ? gradient_sums_of<InRegisters, true>(l, x, dy) : gradient_sums_of<InRegisters, false>(l, x, dy);
  };
  if (l.dy.type == element::bfloat16)
    of_gradients(reinterpret_cast<const bfloat16*>(l.dy.data));
  else
    of_gradients(reinterpret_cast<const float*>(l.dy.data));
}
template <bool InRegisters>
[[gnu::always_inline]] inline void sum_channels_in(channel_loop which, const channel_rows& l) {
  if (l.x.type == element::bfloat16)
    sum_channels_of<InRegisters>(which, l, reinterpret_cast<const bfloat16*>(l.x.data));
  else
    sum_channels_of<InRegisters>(which, l, reinterpret_cast<const float*>(l.x.data));
}
REMAT_VECTORISED_IN_REGISTERS(sum_channels, (channel_loop which, const channel_rows& l), which, l)

/// What a loop has summed up over `rows` rows of `size` columns joins `rows_before` rows.
inline void join_sums(channel_loop which, std::size_t size, double* first, double* second, std::size_t rows_before,
                      const double* more_first, const double* more_second, std::size_t rows) {
  if (which == channel_loop::gradient_sums) {
    for_columns(size, [=](std::size_t k) {
      first[k] += more_first[k];
      second[k] += more_second[k];
    });
    return;
  }
  const double share = static_cast<double>(rows) / static_cast<double>(rows_before + rows);
  const double weight = static_cast<double>(rows_before) * share;
  for_columns(size, [=](std::size_t k) {
    const double apart = more_first[k] - first[k];
    first[k] += apart * share;
    second[k] += more_second[k] + apart * apart * weight;
  });
}

REMAT_END_VECTOR_CODE

}  // namespace remat::nn::detail
