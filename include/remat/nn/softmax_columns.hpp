// SPDX-License-Identifier: MIT
/// The loops of softmax and log-softmax over rows of at most seven elements (row_columns.hpp).
#pragma once

#include <remat/nn/exponential.hpp>
#include <remat/nn/row_columns.hpp>

#include <cstddef>

namespace remat::nn::detail {

REMAT_BEGIN_VECTOR_CODE

/// The largest element of each row.
[[gnu::always_inline]] inline void largest_of_rows(const row_columns& x, std::size_t size,
                                                   float (&largest)[rows_in_columns]) {
  for (std::size_t l = 0; l < rows_in_columns; ++l) largest[l] = x[0][l];
  for (std::size_t c = 1; c < size; ++c)
    for (std::size_t l = 0; l < rows_in_columns; ++l) largest[l] = x[c][l] > largest[l] ? x[c][l] : largest[l];
}
/// The sum of each row.
[[gnu::always_inline]] inline void sums_of_rows(const row_columns& x, std::size_t size,
                                                float (&sums)[rows_in_columns]) {
  for (std::size_t l = 0; l < rows_in_columns; ++l) sums[l] = x[0][l];
  for (std::size_t c = 1; c < size; ++c)
    for (std::size_t l = 0; l < rows_in_columns; ++l) sums[l] += x[c][l];
}

/// Elements become the exponentials of their distances to the row's largest; their sums.
[[gnu::always_inline]] inline void exponentials_of_rows(row_columns& x, const float (&largest)[rows_in_columns],
                                                        std::size_t size, float (&sums)[rows_in_columns]) {
  for (std::size_t c = 0; c < size; ++c)
    for (std::size_t l = 0; l < rows_in_columns; ++l) x[c][l] = exponential(x[c][l] - largest[l]);
  sums_of_rows(x, size, sums);
}

/// Rows [begin, end) of (rows, size); y may be x.
REMAT_VECTORISED inline void softmax_columns(const float* x, float* y, std::size_t size, std::size_t begin,
                                             std::size_t end) {
  row_columns e;
  float of_rows[rows_in_columns];
  for (std::size_t first = begin * size; first < end * size; first += rows_in_columns * size) {
    columns_of(x + first, end * size - first, size, e);
    largest_of_rows(e, size, of_rows);
    exponentials_of_rows(e, of_rows, size, of_rows);
    for (float& sum : of_rows) sum = 1 / sum;
    for (std::size_t c = 0; c < size; ++c)
      for (std::size_t l = 0; l < rows_in_columns; ++l) e[c][l] *= of_rows[l];
    rows_of(e, size, false, y + first, end * size - first);
  }
}

/// Likewise; dx may be dy.
REMAT_VECTORISED inline void softmax_columns_backward(const float* y, const float* dy, float* dx, bool adds,
                                                      std::size_t size, std::size_t begin, std::size_t end) {
  row_columns out, gradient, products;
  float sums[rows_in_columns];
  for (std::size_t first = begin * size; first < end * size; first += rows_in_columns * size) {
    columns_of(y + first, end * size - first, size, out);
    columns_of(dy + first, end * size - first, size, gradient);
    for (std::size_t c = 0; c < size; ++c)
      for (std::size_t l = 0; l < rows_in_columns; ++l) products[c][l] = out[c][l] * gradient[c][l];
    sums_of_rows(products, size, sums);
    for (std::size_t c = 0; c < size; ++c)
      for (std::size_t l = 0; l < rows_in_columns; ++l) gradient[c][l] = out[c][l] * (gradient[c][l] - sums[l]);
    rows_of(gradient, size, adds, dx + first, end * size - first);
  }
}

/// Of log-softmax.
REMAT_VECTORISED inline void log_softmax_columns(const float* x, float* y, std::size_t size, std::size_t begin,
                                                 std::size_t end) {
  row_columns shifted, e;
  float of_rows[rows_in_columns];
  for (std::size_t first = begin * size; first < end * size; first += rows_in_columns * size) {
    columns_of(x + first, end * size - first, size, shifted);
    largest_of_rows(shifted, size, of_rows);
    for (std::size_t c = 0; c < size; ++c)
      for (std::size_t l = 0; l < rows_in_columns; ++l) {
        shifted[c][l] -= of_rows[l];
        e[c][l] = exponential(shifted[c][l]);
      }
    sums_of_rows(e, size, of_rows);
    for (float& sum : of_rows) sum = logarithm(sum);
    for (std::size_t c = 0; c < size; ++c)
      for (std::size_t l = 0; l < rows_in_columns; ++l) shifted[c][l] -= of_rows[l];
    rows_of(shifted, size, false, y + first, end * size - first);
  }
}
REMAT_VECTORISED inline void log_softmax_columns_backward(const float* y, const float* dy, float* dx, bool adds,
                                                          std::size_t size, std::size_t begin, std::size_t end) {
  row_columns out, gradient;
  float sums[rows_in_columns];
  for (std::size_t first = begin * size; first < end * size; first += rows_in_columns * size) {
    columns_of(y + first, end * size - first, size, out);
    columns_of(dy + first, end * size - first, size, gradient);
    sums_of_rows(gradient, size, sums);
    for (std::size_t c = 0; c < size; ++c)
      for (std::size_t l = 0; l < rows_in_columns; ++l) gradient[c][l] -= exponential(out[c][l]) * sums[l];
    rows_of(gradient, size, adds, dx + first, end * size - first);
  }
}

REMAT_END_VECTOR_CODE

}  // namespace remat::nn::detail
