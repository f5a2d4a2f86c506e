// SPDX-License-Identifier: MIT
/// Loops over rows of channels, (rows, C), the layout of channels-last images, with numbers that belong to the
/// channels: what a normalisation of channels is made of.
///
/// | loop              | reads | gives                                                                 |
/// |-------------------|-------|-----------------------------------------------------------------------|
/// | `moments`         | x     | mean of each column, and the sum of its squared deviations from it    |
/// | `scale`           | x     | y = (x - mean) * scale + shift, and a relu after it where wanted     |
/// | `gradient_sums`   | x, dy | sums of g and of g * (x - mean), where g is dy after that relu       |
/// | `scale_gradients` | x, dy | dx = scale * (g - average - (x - mean) * slope), written or added     |
/// | `pass_gradients`  | dy    | dx = scale * g, written or added; reads x only to find that relu      |
///
/// Products and sums are rounded one by one, in one order, so that every instruction set and all flags but one
/// (vectorised.hpp) give the same bits. A column is summed in blocks of rows, which deviate from the mean of those before,
/// and the first from its own: a mean of 1000 costs a variance of 1 nothing.
#pragma once

#include <remat/core/activation.hpp>
#include <remat/core/bfloat16.hpp>
#include <remat/core/numbers.hpp>
#include <remat/nn/number_vectors.hpp>
#include <remat/nn/vectorised.hpp>

#include <cstddef>

namespace remat::nn::detail {

REMAT_BEGIN_VECTOR_CODE

enum class channel_loop { moments, scale, gradient_sums, scale_gradients, pass_gradients };

/// What a loop works on: rows of `columns` numbers, `stride` apart, of floats or of bfloat16.
struct channel_rows {
  static constexpr std::size_t most_columns = 1024;  ///< of one call for sums

  std::size_t rows = 0, columns = 0, stride = 0;
  const_numbers x, dy;
  numbers to;  ///< y or dx; may be x or dy
  const float *mean = nullptr, *scale = nullptr, *shift = nullptr, *average = nullptr, *slope = nullptr;
  double *first = nullptr, *second = nullptr;  ///< the sums of a column
  bool acts = false;                           ///< there is a relu after the scaled rows

  /// `count` of these rows from `row` on, and of their columns those from `column` on.
  constexpr channel_rows at(std::size_t row, std::size_t count, std::size_t column, std::size_t size) const {
    channel_rows moved = *this;
    moved.rows = count;
    moved.columns = size;
    const auto move = [from = row * stride + column](auto& n) {
      if (n.data != nullptr) n.data += from * size_of(n.type);
    };
    move(moved.x);
    move(moved.dy);
    move(moved.to);
    for (const float** each : {&moved.mean, &moved.scale, &moved.shift, &moved.average, &moved.slope})
      if (*each != nullptr) *each += column;
    return moved;
  }
};

/// f(k) for every column. The steps are independent, even where two of their arrays are one.
template <class F>
[[gnu::always_inline]] inline void for_columns(std::size_t columns, const F& f) {
  REMAT_INDEPENDENT
  for (std::size_t k = 0; k < columns; ++k) f(k);
}

/// f<Width, Count>(k) for columns from k on: Count vectors of Width, then one vector at a time, then one column.
template <std::size_t Width, std::size_t Count, class F>
[[gnu::always_inline]] inline void for_vectors(std::size_t columns, const F& f) {
  std::size_t k = 0;
  for (; k + Width * Count <= columns; k += Width * Count) f.template operator()<Width, Count>(k);
  if constexpr (Count > 1)
    for (; k + Width <= columns; k += Width) f.template operator()<Width, 1>(k);
  for (; k < columns; ++k) f.template operator()<1, 1>(k);
}

inline constexpr std::size_t rows_of_a_block = 64;

/// The mean of some rows of a column, up to their rounding.
template <std::size_t Width, std::size_t Count, class X>
[[gnu::always_inline]] inline void mean_of_rows(const X* column, std::size_t stride, std::size_t rows,
                                                typename number_vector<Width>::floats (&mean)[Count]) {
  using vectors = number_vector<Width>;
  typename vectors::floats v;
  for (std::size_t r = 0; r < rows; ++r)
#pragma GCC unroll 8
    for (std::size_t i = 0; i < Count; ++i) {
      vectors::read(v, column + r * stride + i * Width);
      mean[i] += v;
    }
  const float one = 1 / static_cast<float>(rows);
#pragma GCC unroll 8
  for (std::size_t i = 0; i < Count; ++i) mean[i] *= one;
}

/// Mean and squares of the columns from k on become those of `done` rows and `rows` more.
template <std::size_t Width, std::size_t Count, class X>
[[gnu::always_inline]] inline void add_moments(const channel_rows& l, const X* block, std::size_t k, std::size_t done,
                                               std::size_t rows) {
  using vectors = number_vector<Width>;
  typename vectors::floats middle[Count] = {}, offset[Count] = {}, square[Count] = {}, v;
  float m[Width * Count], o[Width * Count], s[Width * Count];
  if (done == 0) {
    mean_of_rows<Width>(block + k, l.stride, rows, middle);
#pragma GCC unroll 8
    for (std::size_t i = 0; i < Count; ++i) vectors::write(middle[i], m + i * Width);
  } else {
    for_columns(Width * Count, [m = &m[0], mean = l.first + k](std::size_t j) { m[j] = static_cast<float>(mean[j]); });
#pragma GCC unroll 8
    for (std::size_t i = 0; i < Count; ++i) vectors::read(middle[i], m + i * Width);
  }
  for (std::size_t r = 0; r < rows; ++r)
#pragma GCC unroll 8
    for (std::size_t i = 0; i < Count; ++i) {
      vectors::read(v, block + r * l.stride + k + i * Width);
      v -= middle[i];
      offset[i] += v;
      square[i] += v * v;
    }
#pragma GCC unroll 8
  for (std::size_t i = 0; i < Count; ++i) {
    vectors::write(offset[i], o + i * Width);
    vectors::write(square[i], s + i * Width);
  }
  // Two means and their squares become one (Chan, Golub and LeVeque 1979).
  const double inverse = 1 / static_cast<double>(rows);
  const double share = static_cast<double>(rows) / static_cast<double>(done + rows);
  const double weight = static_cast<double>(done) * share;
  for_columns(Width * Count,
              [=, m = &m[0], o = &o[0], s = &s[0], mean = l.first + k, squares = l.second + k](std::size_t j) {
                const double d = static_cast<double>(o[j]);
                const double apart = static_cast<double>(m[j]) + d * inverse - mean[j];
                mean[j] += apart * share;
                squares[j] += static_cast<double>(s[j]) - d * d * inverse + apart * apart * weight;
              });
}

template <bool InRegisters, class X>
[[gnu::always_inline]] inline void moments_of(const channel_rows& l, const X* x) {
  for_columns(l.columns, [mean = l.first, squares = l.second](std::size_t k) { mean[k] = squares[k] = 0; });
  for (std::size_t done = 0; done < l.rows; done += rows_of_a_block) {
    const std::size_t rows = l.rows - done < rows_of_a_block ? l.rows - done : rows_of_a_block;
    for_vectors<InRegisters ? 16 : 8, InRegisters ? 4 : 2>(
        l.columns, [&]<std::size_t Width, std::size_t Count>(std::size_t k) __attribute__((always_inline)) {
          add_moments<Width, Count>(l, x + done * l.stride, k, done, rows);
        });
  }
}

/// dy, or its gradient before a relu whose output was y.
template <bool Acts, class Floats>
[[gnu::always_inline]] inline void pass_relu(const Floats& y, Floats& dy) {
  if constexpr (Acts) dy = y <= 0 ? Floats{} : dy;
}

template <bool Acts, std::size_t Width, std::size_t Count, class X, class Dy>
[[gnu::always_inline]] inline void add_gradient_sums(const channel_rows& l, const X* x, const Dy* dy, std::size_t k,
                                                     std::size_t rows) {
  using vectors = number_vector<Width>;
  typename vectors::floats mean[Count], scale[Count], shift[Count], sum[Count] = {}, product[Count] = {}, d, g;
#pragma GCC unroll 8
  for (std::size_t i = 0; i < Count; ++i) {
    vectors::read(mean[i], l.mean + k + i * Width);
    vectors::read(scale[i], l.scale + k + i * Width);
    vectors::read(shift[i], l.shift + k + i * Width);
  }
  for (std::size_t r = 0; r < rows; ++r)
#pragma GCC unroll 8
    for (std::size_t i = 0; i < Count; ++i) {
      vectors::read(d, x + r * l.stride + k + i * Width);
      vectors::read(g, dy + r * l.stride + k + i * Width);
      d -= mean[i];
      pass_relu<Acts>(d * scale[i] + shift[i], g);
      sum[i] += g;
      product[i] += g * d;
    }
  float sums[Width * Count], products[Width * Count];
#pragma GCC unroll 8
  for (std::size_t i = 0; i < Count; ++i) {
    vectors::write(sum[i], sums + i * Width);
    vectors::write(product[i], products + i * Width);
  }
  for_columns(Width * Count,
              [s = &sums[0], p = &products[0], first = l.first + k, second = l.second + k](std::size_t j) {
                first[j] += static_cast<double>(s[j]);
                second[j] += static_cast<double>(p[j]);
              });
}

template <bool InRegisters, bool Acts, class X, class Dy>
[[gnu::always_inline]] inline void gradient_sums_of(const channel_rows& l, const X* x, const Dy* dy) {
  for_columns(l.columns, [first = l.first, second = l.second](std::size_t k) { first[k] = second[k] = 0; });
  for (std::size_t done = 0; done < l.rows; done += rows_of_a_block) {
    const std::size_t rows = l.rows - done < rows_of_a_block ? l.rows - done : rows_of_a_block;
    for_vectors<InRegisters ? 16 : 8, InRegisters ? 4 : 2>(
        l.columns, [&]<std::size_t Width, std::size_t Count>(std::size_t k) __attribute__((always_inline)) {
          add_gradient_sums<Acts, Width, Count>(l, x + done * l.stride, dy + done * l.stride, k, rows);
        });
  }
}

/// Writes what of<W>(k, v) makes of the columns from k on, for all columns of a row.
template <std::size_t Vector, class F>
[[gnu::always_inline]] inline void write_row(const numbers& to, std::size_t at, std::size_t columns, const F& of) {
  for_vectors<Vector, 1>(
      columns, [&]<std::size_t W, std::size_t Count>(std::size_t k) __attribute__((always_inline)) {
        typename number_vector<W>::floats v;
        of.template operator()<W>(k, v);
        write<W>(v, to, at + k);
      });
}

template <std::size_t Vector, bool Acts>
[[gnu::always_inline]] inline void scale_of(const channel_rows l) {
  for (std::size_t r = 0, at = 0; r < l.rows; ++r, at += l.stride)
    write_row<Vector>(
        l.to, at, l.columns, [&]<std::size_t W>(std::size_t k, auto& v) __attribute__((always_inline)) {
          using vectors = number_vector<W>;
          typename vectors::floats mean, scale, shift;
          read<W>(v, l.x, at + k);
          vectors::read(mean, l.mean + k);
          vectors::read(scale, l.scale + k);
          vectors::read(shift, l.shift + k);
          v = (v - mean) * scale + shift;
          pass_relu<Acts>(v, v);
        });
}

template <std::size_t Vector, bool Acts>
[[gnu::always_inline]] inline void scale_gradients_of(const channel_rows l) {
  for (std::size_t r = 0, at = 0; r < l.rows; ++r, at += l.stride)
    write_row<Vector>(
        l.to, at, l.columns, [&]<std::size_t W>(std::size_t k, auto& v) __attribute__((always_inline)) {
          using vectors = number_vector<W>;
          typename vectors::floats d, mean, scale, shift, average, slope;
          read<W>(d, l.x, at + k);
          read<W>(v, l.dy, at + k);
          vectors::read(mean, l.mean + k);
          vectors::read(scale, l.scale + k);
          vectors::read(shift, l.shift + k);
          vectors::read(average, l.average + k);
          vectors::read(slope, l.slope + k);
          d -= mean;
          pass_relu<Acts>(d * scale + shift, v);
          v = scale * (v - average - d * slope);
        });
}

template <std::size_t Vector, bool Acts>
[[gnu::always_inline]] inline void pass_gradients_of(const channel_rows l) {
  for (std::size_t r = 0, at = 0; r < l.rows; ++r, at += l.stride)
    write_row<Vector>(
        l.to, at, l.columns, [&]<std::size_t W>(std::size_t k, auto& v) __attribute__((always_inline)) {
          using vectors = number_vector<W>;
          typename vectors::floats scale;
          read<W>(v, l.dy, at + k);
          vectors::read(scale, l.scale + k);
          if constexpr (Acts) {
            typename vectors::floats d, mean, shift;
            read<W>(d, l.x, at + k);
            vectors::read(mean, l.mean + k);
            vectors::read(shift, l.shift + k);
            pass_relu<Acts>((d - mean) * scale + shift, v);
          }
          v = scale * v;
        });
}

/// The loops that give rows.
template <bool InRegisters>
[[gnu::always_inline]] inline void run_channel_loop_in(channel_loop which, const channel_rows& l) {
  constexpr std::size_t vector = InRegisters ? 16 : 8;
  switch (which) {
    case channel_loop::scale:
      return l.acts ? scale_of<vector, true>(l) : scale_of<vector, false>(l);
    case channel_loop::scale_gradients:
      return l.acts ? scale_gradients_of<vector, true>(l) : scale_gradients_of<vector, false>(l);
    case channel_loop::pass_gradients:
      return l.acts ? pass_gradients_of<vector, true>(l) : pass_gradients_of<vector, false>(l);
    case channel_loop::moments:
    case channel_loop::gradient_sums:
      break;
  }
}
REMAT_VECTORISED_IN_REGISTERS(run_channel_loop, (channel_loop which, const channel_rows& l), which, l)

/// The loops that give sums.
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

/// value becomes (1 - momentum) * value + momentum * newest.
inline void follow(float& value, double newest, double momentum) {
  value = static_cast<float>((1 - momentum) * static_cast<double>(value) + momentum * newest);
}

REMAT_END_VECTOR_CODE

}  // namespace remat::nn::detail
