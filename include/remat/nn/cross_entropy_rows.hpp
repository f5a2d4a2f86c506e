// SPDX-License-Identifier: MIT
/// The loops of cross entropy: rows of logits, each with its target.
///
///     forward   loss = m + log(s) - x[target],  m the largest x, s = sum of exp(x - m)
///     backward  dx   = (exp(x - m) / s - (1 at the target)) dy
///
/// With weights of classes or label smoothing a target is soft, and the loss of a row that of several classes.
#pragma once

#include <remat/nn/class_targets.hpp>
#include <remat/nn/cross_entropy_columns.hpp>
#include <remat/nn/cross_entropy_short_rows.hpp>
#include <remat/nn/rows.hpp>
#include <remat/nn/soft_cross_entropy_columns.hpp>
#include <remat/nn/soft_cross_entropy_short_rows.hpp>
#include <remat/nn/soft_target.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>

namespace remat::nn::detail {

REMAT_BEGIN_VECTOR_CODE

/// The loss of rows [begin, end) of (rows, classes), 0 for those that do not count; `largest` and `shares` may be null.
REMAT_VECTORISED inline void cross_entropy_rows(const float* x, const std::int32_t* targets, std::int32_t ignored,
                                                double* losses, float* largest, float* shares, std::size_t classes,
                                                std::size_t begin, std::size_t end) {
  for (std::size_t row = begin; row < end; ++row) {
    const float* const in = x + row * classes;
    float m = 0;
    double sum = 1, loss = 0;
    if (targets[row] != ignored) {
      m = largest_of(in, classes);
      sum = sum_of(0, classes, [=](std::size_t c) { return exponential(in[c] - m); });
      loss = static_cast<double>(m) - static_cast<double>(in[targets[row]]) + std::log(sum);
    }
    losses[row] = loss;
    if (largest != nullptr) largest[row] = m;
    if (shares != nullptr) shares[row] = static_cast<float>(1 / sum);
  }
}

/// The gradient of these rows; dx may be x.
REMAT_VECTORISED inline void cross_entropy_rows_backward(const float* x, const std::int32_t* targets,
                                                         std::int32_t ignored, const float* largest,
                                                         const float* shares, float dy, float* dx, bool adds,
                                                         std::size_t classes, std::size_t begin, std::size_t end) {
  for (std::size_t row = begin; row < end; ++row) {
    const float* const in = x + row * classes;
    float* const to = dx + row * classes;
    if (targets[row] == ignored) {
      for (std::size_t c = 0; !adds && c < classes; ++c) to[c] = 0;
      continue;
    }
    const std::size_t target = static_cast<std::size_t>(targets[row]);
    const float m = largest[row], share = shares[row];
    const float at_target = (exponential(in[target] - m) * share - 1) * dy, before = to[target];
    if (adds) {
      REMAT_INDEPENDENT
      for (std::size_t c = 0; c < classes; ++c) to[c] += exponential(in[c] - m) * share * dy;
      to[target] = before + at_target;
    } else {
      REMAT_INDEPENDENT
      for (std::size_t c = 0; c < classes; ++c) to[c] = exponential(in[c] - m) * share * dy;
      to[target] = at_target;
    }
  }
}

/// Of soft targets.
REMAT_VECTORISED inline void soft_cross_entropy_rows(const float* x, const std::int32_t* targets, std::int32_t ignored,
                                                     const soft_target& soft, double* losses, float* largest,
                                                     float* shares, std::size_t classes, std::size_t begin,
                                                     std::size_t end) {
  for (std::size_t row = begin; row < end; ++row) {
    const float* const in = x + row * classes;
    float m = 0;
    double sum = 1, log = 0, loss = 0;
    if (targets[row] != ignored) {
      const std::size_t target = static_cast<std::size_t>(targets[row]);
      m = largest_of(in, classes);
      sum = sum_of(0, classes, [=](std::size_t c) { return exponential(in[c] - m); });
      log = std::log(sum);
      loss = soft.on_target * static_cast<double>(soft.weight(target)) *
             (static_cast<double>(m) - static_cast<double>(in[target]) + log);
      const float* const w = soft.weights;
      if (soft.on_each > 0)
        loss += soft.on_each * (soft.all * log + sum_of(0, classes, [=](std::size_t c) {
                                  return (w == nullptr ? 1.0f : w[c]) * (m - in[c]);
                                }));
    }
    losses[row] = loss;
    if (largest != nullptr) largest[row] = m;
    if (shares != nullptr) shares[row] = static_cast<float>(1 / sum);
  }
}

REMAT_VECTORISED inline void soft_cross_entropy_rows_backward(const float* x, const std::int32_t* targets,
                                                              std::int32_t ignored, const soft_target& soft,
                                                              const float* largest, const float* shares, float dy,
                                                              float* dx, bool adds, std::size_t classes,
                                                              std::size_t begin, std::size_t end) {
  for (std::size_t row = begin; row < end; ++row) {
    const float* const in = x + row * classes;
    float* const to = dx + row * classes;
    if (targets[row] == ignored) {
      for (std::size_t c = 0; !adds && c < classes; ++c) to[c] = 0;
      continue;
    }
    const std::size_t target = static_cast<std::size_t>(targets[row]);
    const double of_target = soft.on_target * static_cast<double>(soft.weight(target));
    const float all = static_cast<float>(of_target + soft.on_each * soft.all), each = static_cast<float>(soft.on_each);
    const float m = largest[row], share = shares[row];
    const float at_target = (exponential(in[target] - m) * share * all - each * soft.weight(target) -
                             static_cast<float>(of_target)) *
                            dy,
                before = to[target];
    const float* const w = soft.weights;
    REMAT_INDEPENDENT
    for (std::size_t c = 0; c < classes; ++c) {
      const float gradient = (exponential(in[c] - m) * share * all - each * (w == nullptr ? 1.0f : w[c])) * dy;
      to[c] = adds ? to[c] + gradient : gradient;
    }
    to[target] = adds ? before + at_target : at_target;
  }
}

REMAT_END_VECTOR_CODE

/// Rows [begin, end) of a loss with options, forward.
inline void loss_of_rows(const loss_options& o, std::span<const float> weights, const float* x,
                         const std::int32_t* targets, double* losses, float* largest, float* shares,
                         std::size_t classes, std::size_t begin, std::size_t end) {
  if (weights.empty() && o.smoothing == 0)
    loop_for_rows_of(classes, cross_entropy_columns, cross_entropy_short_rows, cross_entropy_rows)(
        x, targets, o.ignored, losses, largest, shares, classes, begin, end);
  else
    loop_for_rows_of(classes, soft_cross_entropy_columns, soft_cross_entropy_short_rows, soft_cross_entropy_rows)(
        x, targets, o.ignored, soft_target(o, weights, classes), losses, largest, shares, classes, begin, end);
}
/// And backward.
inline void gradient_of_rows(const loss_options& o, std::span<const float> weights, const float* x,
                             const std::int32_t* targets, const float* largest, const float* shares, float dy,
                             float* dx, bool adds, std::size_t classes, std::size_t begin, std::size_t end) {
  if (weights.empty() && o.smoothing == 0)
    loop_for_rows_of(classes, cross_entropy_columns_backward, cross_entropy_short_rows_backward,
                     cross_entropy_rows_backward)(x, targets, o.ignored, largest, shares, dy, dx, adds, classes, begin,
                                                  end);
  else
    loop_for_rows_of(classes, soft_cross_entropy_columns_backward, soft_cross_entropy_short_rows_backward,
                     soft_cross_entropy_rows_backward)(x, targets, o.ignored, soft_target(o, weights, classes), largest,
                                                       shares, dy, dx, adds, classes, begin, end);
}

/// The sum of the losses of rows, in their order.
inline double sum_of_losses(const double* losses, std::size_t rows) {
  double sum = 0;
  for (std::size_t row = 0; row < rows; ++row) sum += losses[row];
  return sum;
}

}  // namespace remat::nn::detail
