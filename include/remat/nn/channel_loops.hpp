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
/// (vectorised.hpp) give the same bits. A column is summed in blocks of rows; a block is read from memory once, and
/// deviates from its own mean, so that a mean of 1000 costs a variance of 1 nothing.
#pragma once

#include <remat/core/activation.hpp>
#include <remat/core/bfloat16.hpp>
#include <remat/nn/vectorised.hpp>

#include <cstddef>

namespace remat::nn::detail {

REMAT_BEGIN_VECTOR_CODE

enum class channel_loop { moments, scale, gradient_sums, scale_gradients, pass_gradients };

/// What a loop works on: rows of `columns` numbers, `stride` apart. Sums are taken of floats or of bfloat16, all else
/// of floats.
template <class X = float, class Dy = float>
struct channel_rows {
  static constexpr std::size_t most_columns = 1024;  ///< of one call for sums

  std::size_t rows = 0, columns = 0, stride = 0;
  const X* x = nullptr;
  const Dy* dy = nullptr;
  float* to = nullptr;  ///< y or dx; may be x or dy
  const float *mean = nullptr, *scale = nullptr, *shift = nullptr, *average = nullptr, *slope = nullptr;
  double *first = nullptr, *second = nullptr;  ///< the sums of a column
  bool acts = false;                           ///< there is a relu after the scaled rows
  bool adds = false;                           ///< to what is in `to`

  constexpr channel_rows at(std::size_t row, std::size_t count) const {
    channel_rows moved = *this;
    moved.rows = count;
    if (x != nullptr) moved.x += row * stride;
    if (dy != nullptr) moved.dy += row * stride;
    if (to != nullptr) moved.to += row * stride;
    return moved;
  }
};

/// f(k) for every column. The steps are independent, even where two of their arrays are one.
template <class F>
[[gnu::always_inline]] inline void for_columns(std::size_t columns, const F& f) {
  REMAT_INDEPENDENT
  for (std::size_t k = 0; k < columns; ++k) f(k);
}

inline constexpr std::size_t rows_of_a_block = 64;

template <class X, class Dy>
[[gnu::always_inline]] inline void moments_of(const channel_rows<X, Dy>& l) {
  float middle[channel_rows<>::most_columns], offset[channel_rows<>::most_columns],
      square[channel_rows<>::most_columns];
  double *const mean = l.first, *const squares = l.second;
  for_columns(l.columns, [=](std::size_t k) { mean[k] = squares[k] = 0; });
  for (std::size_t done = 0; done < l.rows; done += rows_of_a_block) {
    const std::size_t rows = l.rows - done < rows_of_a_block ? l.rows - done : rows_of_a_block;
    const X* const block = l.x + done * l.stride;
    const float one = 1 / static_cast<float>(rows);
    float *const m = middle, *const o = offset, *const s = square;
    for_columns(l.columns, [=](std::size_t k) { m[k] = o[k] = s[k] = 0; });
    for (std::size_t r = 0; r < rows; ++r)
      for_columns(l.columns, [=, x = block + r * l.stride](std::size_t k) { m[k] += float_of(x[k]); });
    for_columns(l.columns, [=](std::size_t k) { m[k] *= one; });
    for (std::size_t r = 0; r < rows; ++r)
      for_columns(l.columns, [=, x = block + r * l.stride](std::size_t k) {
        const float d = float_of(x[k]) - m[k];
        o[k] += d;
        s[k] += d * d;
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

template <bool Acts>
[[gnu::always_inline]] inline void scale_of(const channel_rows<>& l) {
  for (std::size_t r = 0; r < l.rows; ++r)
    for_columns(l.columns, [=, x = l.x + r * l.stride, y = l.to + r * l.stride, mean = l.mean, scale = l.scale,
                            shift = l.shift](std::size_t k) {
      const float v = (x[k] - mean[k]) * scale[k] + shift[k];
      y[k] = Acts && v <= 0 ? 0.0f : v;
    });
}

template <bool Acts, class X, class Dy>
[[gnu::always_inline]] inline void gradient_sums_of(const channel_rows<X, Dy>& l) {
  float gradient[channel_rows<>::most_columns], product[channel_rows<>::most_columns];
  double *const first = l.first, *const second = l.second;
  for_columns(l.columns, [=](std::size_t k) { first[k] = second[k] = 0; });
  for (std::size_t done = 0; done < l.rows; done += rows_of_a_block) {
    const std::size_t end = l.rows - done < rows_of_a_block ? l.rows : done + rows_of_a_block;
    float *const sum = gradient, *const sum_of_products = product;
    for_columns(l.columns, [=](std::size_t k) { sum[k] = sum_of_products[k] = 0; });
    for (std::size_t r = done; r < end; ++r)
      for_columns(l.columns, [=, x = l.x + r * l.stride, dy = l.dy + r * l.stride, mean = l.mean, scale = l.scale,
                              shift = l.shift](std::size_t k) {
        const float d = float_of(x[k]) - mean[k];
        const float given = float_of(dy[k]);
        const float g = Acts ? relu_gradient(d * scale[k] + shift[k], given) : given;
        sum[k] += g;
        sum_of_products[k] += g * d;
      });
    for_columns(l.columns, [=](std::size_t k) {
      first[k] += static_cast<double>(sum[k]);
      second[k] += static_cast<double>(sum_of_products[k]);
    });
  }
}

template <bool Acts, bool Adds>
[[gnu::always_inline]] inline void scale_gradients_of(const channel_rows<>& l) {
  for (std::size_t r = 0; r < l.rows; ++r)
    for_columns(l.columns,
                [=, x = l.x + r * l.stride, dy = l.dy + r * l.stride, dx = l.to + r * l.stride, mean = l.mean,
                 scale = l.scale, shift = l.shift, average = l.average, slope = l.slope](std::size_t k) {
                  const float d = x[k] - mean[k];
                  const float g = Acts ? relu_gradient(d * scale[k] + shift[k], dy[k]) : dy[k];
                  const float v = scale[k] * (g - average[k] - d * slope[k]);
                  dx[k] = Adds ? dx[k] + v : v;
                });
}

template <bool Acts, bool Adds>
[[gnu::always_inline]] inline void pass_gradients_of(const channel_rows<>& l) {
  for (std::size_t r = 0; r < l.rows; ++r)
    for_columns(l.columns, [=, x = Acts ? l.x + r * l.stride : nullptr, dy = l.dy + r * l.stride,
                            dx = l.to + r * l.stride, mean = l.mean, scale = l.scale, shift = l.shift](std::size_t k) {
      const float g = Acts ? relu_gradient((x[k] - mean[k]) * scale[k] + shift[k], dy[k]) : dy[k];
      const float v = scale[k] * g;
      dx[k] = Adds ? dx[k] + v : v;
    });
}

/// The loops that give rows.
REMAT_VECTORISED inline void run_channel_loop(channel_loop which, const channel_rows<>& l) {
  switch (which) {
    case channel_loop::scale:
      return l.acts ? scale_of<true>(l) : scale_of<false>(l);
    case channel_loop::scale_gradients:
      if (l.acts) return l.adds ? scale_gradients_of<true, true>(l) : scale_gradients_of<true, false>(l);
      return l.adds ? scale_gradients_of<false, true>(l) : scale_gradients_of<false, false>(l);
    case channel_loop::pass_gradients:
      if (l.acts) return l.adds ? pass_gradients_of<true, true>(l) : pass_gradients_of<true, false>(l);
      return l.adds ? pass_gradients_of<false, true>(l) : pass_gradients_of<false, false>(l);
    case channel_loop::moments:
    case channel_loop::gradient_sums:
      break;
  }
}

/// The loops that give sums.
template <class X, class Dy>
[[gnu::always_inline]] inline void sum_of_channels(channel_loop which, const channel_rows<X, Dy>& l) {
  if (which == channel_loop::moments) return moments_of(l);
  return l.acts ? gradient_sums_of<true>(l) : gradient_sums_of<false>(l);
}
REMAT_VECTORISED inline void sum_floats(channel_loop which, const channel_rows<float, float>& l) {
  sum_of_channels(which, l);
}
REMAT_VECTORISED inline void sum_floats_by_rounded(channel_loop which, const channel_rows<float, bfloat16>& l) {
  sum_of_channels(which, l);
}
REMAT_VECTORISED inline void sum_rounded_by_floats(channel_loop which, const channel_rows<bfloat16, float>& l) {
  sum_of_channels(which, l);
}
REMAT_VECTORISED inline void sum_rounded(channel_loop which, const channel_rows<bfloat16, bfloat16>& l) {
  sum_of_channels(which, l);
}

// (Each has a name of its own: clang 19 crashes where functions for several instruction sets are overloaded.)
inline void sum_channels(channel_loop which, const channel_rows<float, float>& l) { sum_floats(which, l); }
inline void sum_channels(channel_loop which, const channel_rows<float, bfloat16>& l) {
  sum_floats_by_rounded(which, l);
}
inline void sum_channels(channel_loop which, const channel_rows<bfloat16, float>& l) {
  sum_rounded_by_floats(which, l);
}
inline void sum_channels(channel_loop which, const channel_rows<bfloat16, bfloat16>& l) { sum_rounded(which, l); }

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
