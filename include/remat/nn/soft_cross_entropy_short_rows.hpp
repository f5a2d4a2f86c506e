// SPDX-License-Identifier: MIT
/// The loops of cross entropy with soft targets (soft_target.hpp) over rows of few classes, sixteen rows at once
/// (short_rows.hpp).
#pragma once

#include <remat/nn/cross_entropy_short_rows.hpp>
#include <remat/nn/exponential.hpp>
#include <remat/nn/short_rows.hpp>
#include <remat/nn/soft_target.hpp>

#include <cstddef>
#include <cstdint>

namespace remat::nn::detail {

REMAT_BEGIN_VECTOR_CODE

/// The weights of the classes, `factor` times, for each of sixteen rows.
[[gnu::always_inline]] inline void weights_of_rows(const soft_target& soft, float factor, std::size_t classes,
                                                   float* to) {
  for (std::size_t l = 0; l < rows_at_once; ++l)
    for (std::size_t c = 0; c < classes; ++c) to[l * classes + c] = factor * soft.weight(c);
}

/// The loss of rows [begin, end) of (rows, classes), 0 for those that do not count; `largest` and `shares` may be null.
template <bool InRegisters>
[[gnu::always_inline]] inline void soft_cross_entropy_short_rows_in(const float* x, const std::int32_t* targets,
                                                                    std::int32_t ignored, const soft_target& soft,
                                                                    double* losses, float* largest, float* shares,
                                                                    std::size_t classes, std::size_t begin,
                                                                    std::size_t end) {
  short_rows copy, work, spread, weights;
  float *const e = work.elements, *const each = spread.elements, *const w = weights.elements;
  float maxima[rows_at_once], sums[rows_at_once], logs[rows_at_once], below[rows_at_once] = {};
  const double on_target = soft.on_target, on_each = soft.on_each;
  const std::size_t all = rows_at_once * classes;
  weights_of_rows(soft, 1, classes, w);
  for (std::size_t first = begin; first < end; first += rows_at_once) {
    const float* const in = whole_rows(x + first * classes, (end - first) * classes, classes, copy);
    fold_rows<larger_of_two, InRegisters>(in, classes, maxima);
    spread_rows(maxima, classes, each);
    REMAT_INDEPENDENT
    for (std::size_t k = 0; k < all; ++k) e[k] = exponential(in[k] - each[k]);
    fold_rows<sum_of_two, InRegisters>(e, classes, sums);
    if (on_each > 0) {  // the sum of w[c] (m - x[c]), which is not part of the loss without smoothing, whatever it is
      REMAT_INDEPENDENT
      for (std::size_t k = 0; k < all; ++k) each[k] = w[k] * (each[k] - in[k]);
      fold_rows<sum_of_two, InRegisters>(each, classes, below);
    }
    for (std::size_t l = 0; l < rows_at_once; ++l) logs[l] = logarithm(sums[l]);
    const std::size_t count = end - first < rows_at_once ? end - first : rows_at_once;
    for (std::size_t l = 0; l < count; ++l) {
      const bool counts = targets[first + l] != ignored;
      if (largest != nullptr) largest[first + l] = counts ? maxima[l] : 0;
      if (shares != nullptr) shares[first + l] = counts ? 1 / sums[l] : 1;
      losses[first + l] = 0;
      if (!counts) continue;
      const std::size_t target = static_cast<std::size_t>(targets[first + l]);
      const double log = static_cast<double>(logs[l]);
      losses[first + l] = on_target * static_cast<double>(w[target]) *
                              (static_cast<double>(maxima[l]) - static_cast<double>(in[l * classes + target]) + log) +
                          on_each * (soft.all * log + static_cast<double>(below[l]));
    }
  }
}
REMAT_VECTORISED_IN_REGISTERS(soft_cross_entropy_short_rows,
                              (const float* x, const std::int32_t* targets, std::int32_t ignored,
                               const soft_target& soft, double* losses, float* largest, float* shares,
                               std::size_t classes, std::size_t begin, std::size_t end),
                              x, targets, ignored, soft, losses, largest, shares, classes, begin, end)

/// The gradient of these rows; dx may be x.
REMAT_VECTORISED inline void soft_cross_entropy_short_rows_backward(const float* x, const std::int32_t* targets,
                                                                    std::int32_t ignored, const soft_target& soft,
                                                                    const float* largest, const float* shares, float dy,
                                                                    float* dx, bool adds, std::size_t classes,
                                                                    std::size_t begin, std::size_t end) {
  short_rows maxima, factors, weights;
  float *const gradient = maxima.elements, *const factor = factors.elements, *const each = weights.elements;
  const float on_target = static_cast<float>(soft.on_target);
  const float on_all = static_cast<float>(soft.on_each * soft.all);
  weights_of_rows(soft, static_cast<float>(soft.on_each), classes, each);
  for (std::size_t first = begin; first < end; first += rows_at_once) {
    const std::size_t rows = end - first < rows_at_once ? end - first : rows_at_once, count = rows * classes;
    float of_rows[rows_at_once] = {}, factors_of_rows[rows_at_once] = {}, at_targets[rows_at_once] = {};
    for (std::size_t l = 0; l < rows; ++l) {
      const bool counts = targets[first + l] != ignored;
      const float of_target = counts ? on_target * soft.weight(static_cast<std::size_t>(targets[first + l])) : 0;
      at_targets[l] = of_target * dy;
      of_rows[l] = largest[first + l];
      factors_of_rows[l] = shares[first + l] * (of_target + on_all);
    }
    spread_rows(of_rows, classes, gradient);
    spread_rows(factors_of_rows, classes, factor);
    const float* const in = x + first * classes;
    REMAT_INDEPENDENT
    for (std::size_t k = 0; k < count; ++k) gradient[k] = (exponential(in[k] - gradient[k]) * factor[k] - each[k]) * dy;
    write_gradients(gradient, targets + first, ignored, at_targets, rows, classes, adds, dx + first * classes);
  }
}

REMAT_END_VECTOR_CODE

}  // namespace remat::nn::detail
