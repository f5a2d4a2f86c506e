// SPDX-License-Identifier: MIT
/// The loops of cross entropy over rows of few classes, as pixels have them: sixteen rows at once (short_rows.hpp).
#pragma once

#include <remat/nn/exponential.hpp>
#include <remat/nn/short_rows.hpp>

#include <cstddef>
#include <cstdint>

namespace remat::nn::detail {

REMAT_BEGIN_VECTOR_CODE

/// Writes the gradient of some rows, or adds it, from that of the logarithms' sum: less what is at the target, and 0 in
/// rows that do not count.
[[gnu::always_inline]] inline void write_gradients(float* gradient, const std::int32_t* targets, std::int32_t ignored,
                                                   const float (&at_targets)[rows_at_once], std::size_t rows,
                                                   std::size_t classes, bool adds, float* to) {
  for (std::size_t l = 0; l < rows; ++l) {
    float* const row = gradient + l * classes;
    if (targets[l] != ignored)
      row[targets[l]] -= at_targets[l];
    else
      for (std::size_t c = 0; c < classes; ++c) row[c] = 0;
  }
  REMAT_INDEPENDENT
  for (std::size_t k = 0; k < rows * classes; ++k) to[k] = adds ? to[k] + gradient[k] : gradient[k];
}

/// The loss of rows [begin, end) of (rows, classes), 0 for those that do not count; `largest` and `shares` may be null.
template <bool InRegisters>
[[gnu::always_inline]] inline void cross_entropy_short_rows_in(const float* x, const std::int32_t* targets,
                                                               std::int32_t ignored, double* losses, float* largest,
                                                               float* shares, std::size_t classes, std::size_t begin,
                                                               std::size_t end) {
  short_rows copy, work, spread;
  float *const e = work.elements, *const each = spread.elements;
  float maxima[rows_at_once], sums[rows_at_once], logs[rows_at_once];
  const std::size_t all = rows_at_once * classes;
  for (std::size_t first = begin; first < end; first += rows_at_once) {
    const float* const in = whole_rows(x + first * classes, (end - first) * classes, classes, copy);
    fold_rows<larger_of_two, InRegisters>(in, classes, maxima);
    spread_rows(maxima, classes, each);
    REMAT_INDEPENDENT
    for (std::size_t k = 0; k < all; ++k) e[k] = exponential(in[k] - each[k]);
    fold_rows<sum_of_two, InRegisters>(e, classes, sums);
    for (std::size_t l = 0; l < rows_at_once; ++l) logs[l] = logarithm(sums[l]);
    const std::size_t count = end - first < rows_at_once ? end - first : rows_at_once;
    for (std::size_t l = 0; l < count; ++l) {
      const std::int32_t target = targets[first + l];
      const bool counts = target != ignored;
      losses[first + l] = counts ? static_cast<double>(maxima[l]) -
                                       static_cast<double>(in[l * classes + static_cast<std::size_t>(target)]) +
                                       static_cast<double>(logs[l])
                                 : 0;
      if (largest != nullptr) largest[first + l] = counts ? maxima[l] : 0;
      if (shares != nullptr) shares[first + l] = counts ? 1 / sums[l] : 1;
    }
  }
}
REMAT_VECTORISED_IN_REGISTERS(cross_entropy_short_rows,
                              (const float* x, const std::int32_t* targets, std::int32_t ignored, double* losses,
                               float* largest, float* shares, std::size_t classes, std::size_t begin, std::size_t end),
                              x, targets, ignored, losses, largest, shares, classes, begin, end)

/// The gradient of these rows; dx may be x.
REMAT_VECTORISED inline void cross_entropy_short_rows_backward(const float* x, const std::int32_t* targets,
                                                               std::int32_t ignored, const float* largest,
                                                               const float* shares, float dy, float* dx, bool adds,
                                                               std::size_t classes, std::size_t begin,
                                                               std::size_t end) {
  short_rows maxima, factors;
  float *const gradient = maxima.elements, *const factor = factors.elements;
  float at_targets[rows_at_once];
  for (float& each : at_targets) each = dy;
  for (std::size_t first = begin; first < end; first += rows_at_once) {
    const std::size_t rows = end - first < rows_at_once ? end - first : rows_at_once, count = rows * classes;
    float of_rows[rows_at_once] = {}, shares_of_rows[rows_at_once] = {};
    for (std::size_t l = 0; l < rows; ++l) of_rows[l] = largest[first + l];
    for (std::size_t l = 0; l < rows; ++l) shares_of_rows[l] = shares[first + l] * dy;
    spread_rows(of_rows, classes, gradient);
    spread_rows(shares_of_rows, classes, factor);
    const float* const in = x + first * classes;
    REMAT_INDEPENDENT
    for (std::size_t k = 0; k < count; ++k) gradient[k] = exponential(in[k] - gradient[k]) * factor[k];
    write_gradients(gradient, targets + first, ignored, at_targets, rows, classes, adds, dx + first * classes);
  }
}

REMAT_END_VECTOR_CODE

}  // namespace remat::nn::detail
