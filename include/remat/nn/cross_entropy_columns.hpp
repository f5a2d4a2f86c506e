// SPDX-License-Identifier: MIT
/// The loops of cross entropy over rows of at most seven classes (row_columns.hpp).
#pragma once

#include <remat/nn/softmax_columns.hpp>

#include <cstddef>
#include <cstdint>

namespace remat::nn::detail {

REMAT_BEGIN_VECTOR_CODE

/// The first `left` of the numbers of rows, and `other` after them.
template <class T>
[[gnu::always_inline]] inline void numbers_of_rows(const T* from, std::size_t left, T other, T (&to)[rows_in_columns]) {
  const std::size_t count = left < rows_in_columns ? left : rows_in_columns;
  for (std::size_t l = 0; l < count; ++l) to[l] = from[l];
  for (std::size_t l = count; l < rows_in_columns; ++l) to[l] = other;
}

template <class T>
[[gnu::always_inline]] inline void write_numbers(const T (&from)[rows_in_columns], std::size_t count, T* to) {
  for (std::size_t l = 0; l < count; ++l) to[l] = from[l];
}

/// The element of each row that is its target, 0 where that is no class.
[[gnu::always_inline]] inline void elements_at_targets(const row_columns& x,
                                                       const std::int32_t (&target)[rows_in_columns],
                                                       std::size_t classes, float (&to)[rows_in_columns]) {
  for (float& each : to) each = 0;
  for (std::size_t c = 0; c < classes; ++c)
    for (std::size_t l = 0; l < rows_in_columns; ++l) to[l] += target[l] == static_cast<std::int32_t>(c) ? x[c][l] : 0;
}

/// Of sums of exponentials, their logarithms; they become what an exponential is multiplied with to be a share.
[[gnu::always_inline]] inline void logarithms_and_shares(float (&sums)[rows_in_columns],
                                                         float (&logs)[rows_in_columns]) {
  for (std::size_t l = 0; l < rows_in_columns; ++l) {
    logs[l] = logarithm(sums[l]);
    sums[l] = 1 / sums[l];
  }
}

/// Writes the `left` numbers of a gradient, or adds them: 0 in rows that do not count.
[[gnu::always_inline]] inline void write_gradients(row_columns& gradient, const std::int32_t (&target)[rows_in_columns],
                                                   std::int32_t ignored, std::size_t classes, bool adds, float* dx,
                                                   std::size_t left) {
  for (std::size_t c = 0; c < classes; ++c)
    for (std::size_t l = 0; l < rows_in_columns; ++l) gradient[c][l] = target[l] == ignored ? 0 : gradient[c][l];
  rows_of(gradient, classes, adds, dx, left);
}

/// The loss of rows [begin, end) of (rows, classes), 0 for those that do not count; `largest` and `shares` may be null.
REMAT_VECTORISED inline void cross_entropy_columns(const float* x, const std::int32_t* targets, std::int32_t ignored,
                                                   double* losses, float* largest, float* shares, std::size_t classes,
                                                   std::size_t begin, std::size_t end) {
  row_columns e;
  std::int32_t target[rows_in_columns];
  float maxima[rows_in_columns], at_target[rows_in_columns], sums[rows_in_columns], logs[rows_in_columns];
  for (std::size_t first = begin; first < end; first += rows_in_columns) {
    const std::size_t left = end - first, count = left < rows_in_columns ? left : rows_in_columns;
    columns_of(x + first * classes, left * classes, classes, e);
    numbers_of_rows(targets + first, left, ignored, target);
    largest_of_rows(e, classes, maxima);
    elements_at_targets(e, target, classes, at_target);
    exponentials_of_rows(e, maxima, classes, sums);
    // Of a row that does not count, the loss is then 0 - 0 + log(1), whatever the row holds.
    for (std::size_t l = 0; l < rows_in_columns; ++l) {
      const bool counts = target[l] != ignored;
      maxima[l] = counts ? maxima[l] : 0;
      at_target[l] = counts ? at_target[l] : 0;
      sums[l] = counts ? sums[l] : 1;
    }
    logarithms_and_shares(sums, logs);
    for (std::size_t l = 0; l < count; ++l)
      losses[first + l] =
          static_cast<double>(maxima[l]) - static_cast<double>(at_target[l]) + static_cast<double>(logs[l]);
    if (largest != nullptr) write_numbers(maxima, count, largest + first);
    if (shares != nullptr) write_numbers(sums, count, shares + first);
  }
}

/// The gradient of these rows; dx may be x.
REMAT_VECTORISED inline void cross_entropy_columns_backward(const float* x, const std::int32_t* targets,
                                                            std::int32_t ignored, const float* largest,
                                                            const float* shares, float dy, float* dx, bool adds,
                                                            std::size_t classes, std::size_t begin, std::size_t end) {
  row_columns gradient;
  std::int32_t target[rows_in_columns];
  float maxima[rows_in_columns], factors[rows_in_columns];
  for (std::size_t first = begin; first < end; first += rows_in_columns) {
    const std::size_t left = end - first;
    columns_of(x + first * classes, left * classes, classes, gradient);
    numbers_of_rows(targets + first, left, ignored, target);
    numbers_of_rows(largest + first, left, 0.0f, maxima);
    numbers_of_rows(shares + first, left, 0.0f, factors);
    for (float& factor : factors) factor *= dy;
    for (std::size_t c = 0; c < classes; ++c)
      for (std::size_t l = 0; l < rows_in_columns; ++l) {
        const float at_target = target[l] == static_cast<std::int32_t>(c) ? dy : 0;
        gradient[c][l] = exponential(gradient[c][l] - maxima[l]) * factors[l] - at_target;
      }
    write_gradients(gradient, target, ignored, classes, adds, dx + first * classes, left * classes);
  }
}

REMAT_END_VECTOR_CODE

}  // namespace remat::nn::detail
