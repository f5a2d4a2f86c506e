// SPDX-License-Identifier: MIT
/// The loops of cross entropy with soft targets (soft_target.hpp) over rows of at most seven classes (row_columns.hpp).
#pragma once

#include <remat/nn/cross_entropy_columns.hpp>
#include <remat/nn/soft_target.hpp>

#include <cstddef>
#include <cstdint>

namespace remat::nn::detail {

REMAT_BEGIN_VECTOR_CODE

/// The weights of classes, in a copy that loops may read without a branch.
using weights_in_columns = float[longest_row_in_columns];
[[gnu::always_inline]] inline void copy_weights(const soft_target& soft, std::size_t classes, weights_in_columns& to) {
  for (std::size_t c = 0; c < classes; ++c) to[c] = soft.weight(c);
}

/// The weight of each row's target, 0 where it is no class.
[[gnu::always_inline]] inline void weights_of_targets(const std::int32_t (&target)[rows_in_columns],
                                                      const weights_in_columns& w, std::size_t classes,
                                                      float (&weights)[rows_in_columns]) {
  for (float& each : weights) each = 0;
  for (std::size_t c = 0; c < classes; ++c) {
    float weight[rows_in_columns];
    for (float& each : weight) each = w[c];
    for (std::size_t l = 0; l < rows_in_columns; ++l)
      weights[l] += target[l] == static_cast<std::int32_t>(c) ? weight[l] : 0;
  }
}

/// The sum of w[c] (m - x[c]) of each row. Without smoothing it is not part of the loss, whatever it is.
[[gnu::always_inline]] inline void sums_below(const row_columns& x, const float (&maxima)[rows_in_columns],
                                              const weights_in_columns& w, std::size_t classes,
                                              float (&below)[rows_in_columns]) {
  for (float& each : below) each = 0;
  for (std::size_t c = 0; c < classes; ++c)
    for (std::size_t l = 0; l < rows_in_columns; ++l) below[l] += w[c] * (maxima[l] - x[c][l]);
}

/// The loss of rows [begin, end) of (rows, classes), 0 for those that do not count; `largest` and `shares` may be null.
REMAT_VECTORISED inline void soft_cross_entropy_columns(const float* x, const std::int32_t* targets,
                                                        std::int32_t ignored, const soft_target& soft, double* losses,
                                                        float* largest, float* shares, std::size_t classes,
                                                        std::size_t begin, std::size_t end) {
  row_columns e;
  std::int32_t target[rows_in_columns];
  float maxima[rows_in_columns], at_target[rows_in_columns], weights[rows_in_columns];
  float below[rows_in_columns] = {}, sums[rows_in_columns], logs[rows_in_columns];
  const double on_target = soft.on_target, on_each = soft.on_each, all = soft.all;
  weights_in_columns w = {};
  copy_weights(soft, classes, w);
  for (std::size_t first = begin; first < end; first += rows_in_columns) {
    const std::size_t left = end - first, count = left < rows_in_columns ? left : rows_in_columns;
    columns_of(x + first * classes, left * classes, classes, e);
    numbers_of_rows(targets + first, left, ignored, target);
    weights_of_targets(target, w, classes, weights);
    largest_of_rows(e, classes, maxima);
    elements_at_targets(e, target, classes, at_target);
    if (on_each > 0) sums_below(e, maxima, w, classes, below);
    exponentials_of_rows(e, maxima, classes, sums);
    // Of a row that does not count, the backward pass reads numbers that are finite, whatever the row holds.
    for (std::size_t l = 0; l < rows_in_columns; ++l) {
      const bool counts = target[l] != ignored;
      maxima[l] = counts ? maxima[l] : 0;
      at_target[l] = counts ? at_target[l] : 0;
      below[l] = counts ? below[l] : 0;
      sums[l] = counts ? sums[l] : 1;
    }
    logarithms_and_shares(sums, logs);
    double* const to = losses + first;
    for (std::size_t l = 0; l < count; ++l) {
      const double log = static_cast<double>(logs[l]);
      const double loss = on_target * static_cast<double>(weights[l]) *
                              (static_cast<double>(maxima[l]) - static_cast<double>(at_target[l]) + log) +
                          on_each * (all * log + static_cast<double>(below[l]));
      to[l] = target[l] != ignored ? loss : 0;
    }
    if (largest != nullptr) write_numbers(maxima, count, largest + first);
    if (shares != nullptr) write_numbers(sums, count, shares + first);
  }
}

/// The gradient of these rows; dx may be x.
REMAT_VECTORISED inline void soft_cross_entropy_columns_backward(const float* x, const std::int32_t* targets,
                                                                 std::int32_t ignored, const soft_target& soft,
                                                                 const float* largest, const float* shares, float dy,
                                                                 float* dx, bool adds, std::size_t classes,
                                                                 std::size_t begin, std::size_t end) {
  row_columns gradient;
  std::int32_t target[rows_in_columns];
  float maxima[rows_in_columns], factors[rows_in_columns], of_targets[rows_in_columns];
  const float on_target = static_cast<float>(soft.on_target), on_each = static_cast<float>(soft.on_each);
  const float on_all = static_cast<float>(soft.on_each * soft.all);
  weights_in_columns w = {};
  copy_weights(soft, classes, w);
  for (std::size_t first = begin; first < end; first += rows_in_columns) {
    const std::size_t left = end - first;
    columns_of(x + first * classes, left * classes, classes, gradient);
    numbers_of_rows(targets + first, left, ignored, target);
    numbers_of_rows(largest + first, left, 0.0f, maxima);
    numbers_of_rows(shares + first, left, 0.0f, factors);
    weights_of_targets(target, w, classes, of_targets);
    for (std::size_t l = 0; l < rows_in_columns; ++l) {
      of_targets[l] *= on_target;
      factors[l] *= of_targets[l] + on_all;
    }
    for (std::size_t c = 0; c < classes; ++c) {
      const float each = on_each * w[c];
      for (std::size_t l = 0; l < rows_in_columns; ++l) {
        const float at_target = target[l] == static_cast<std::int32_t>(c) ? of_targets[l] : 0;
        gradient[c][l] = (exponential(gradient[c][l] - maxima[l]) * factors[l] - each - at_target) * dy;
      }
    }
    write_gradients(gradient, target, ignored, classes, adds, dx + first * classes, left * classes);
  }
}

REMAT_END_VECTOR_CODE

}  // namespace remat::nn::detail
