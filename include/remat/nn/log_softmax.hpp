// SPDX-License-Identifier: MIT
/// Logarithm of the softmax over the classes: of (C), of each row of (T, C), or over the channels of (C, H, W), pixel
/// by pixel.
///
///     forward   y = x - m - log(sum of exp(x - m)),  m the largest x
///     backward  dx = dy - exp(y) * (sum of dy)      reads the output
///
/// Both are loops of ours: oneDNN 2.6 approximates the logarithm to 4e-6, which a confident network's loss and a
/// balanced batch's gradients show, and takes no account of rows of few classes.
#pragma once

#include <remat/core/module.hpp>
#include <remat/nn/rows.hpp>
#include <remat/nn/short_rows.hpp>
#include <remat/nn/softmax_columns.hpp>

#include <cmath>
#include <cstddef>
#include <string_view>

namespace remat::nn {
namespace detail {

REMAT_BEGIN_VECTOR_CODE

/// Rows [begin, end) of (rows, classes) of few classes; y may be x.
template <bool InRegisters>
[[gnu::always_inline]] inline void log_softmax_short_rows_in(const float* x, float* y, std::size_t classes,
                                                             std::size_t begin, std::size_t end) {
  short_rows copy, work, terms;
  float *const shifted = work.elements, *const each = terms.elements, of_rows[rows_at_once];
  const std::size_t all = rows_at_once * classes;
  for (std::size_t first = begin * classes; first < end * classes; first += all) {
    const std::size_t left = end * classes - first, count = left < all ? left : all;
    const float* const in = whole_rows(x + first, left, classes, copy);
    fold_rows<larger_of_two, InRegisters>(in, classes, of_rows);
    spread_rows(of_rows, classes, each);
    REMAT_INDEPENDENT
    for (std::size_t k = 0; k < all; ++k) {
      shifted[k] = in[k] - each[k];
      each[k] = exponential(shifted[k]);
    }
    fold_rows<sum_of_two, InRegisters>(each, classes, of_rows);
    for (float& sum : of_rows) sum = logarithm(sum);
    spread_rows(of_rows, classes, each);
    float* const out = y + first;
    REMAT_INDEPENDENT
    for (std::size_t k = 0; k < count; ++k) out[k] = shifted[k] - each[k];
  }
}
REMAT_VECTORISED_IN_REGISTERS(log_softmax_short_rows,
                              (const float* x, float* y, std::size_t classes, std::size_t begin, std::size_t end), x, y,
                              classes, begin, end)

/// Likewise; dx may be dy.
template <bool InRegisters>
[[gnu::always_inline]] inline void log_softmax_short_rows_backward_in(const float* y, const float* dy, float* dx,
                                                                      bool adds, std::size_t classes, std::size_t begin,
                                                                      std::size_t end) {
  short_rows copy, sums;
  float *const each = sums.elements, of_rows[rows_at_once];
  const std::size_t all = rows_at_once * classes;
  for (std::size_t first = begin * classes; first < end * classes; first += all) {
    const std::size_t left = end * classes - first, count = left < all ? left : all;
    const float *const out = y + first, *const gradient = whole_rows(dy + first, left, classes, copy);
    float* const to = dx + first;
    fold_rows<sum_of_two, InRegisters>(gradient, classes, of_rows);
    spread_rows(of_rows, classes, each);
    if (adds) {
      REMAT_INDEPENDENT
      for (std::size_t k = 0; k < count; ++k) to[k] += gradient[k] - exponential(out[k]) * each[k];
    } else {
      REMAT_INDEPENDENT
      for (std::size_t k = 0; k < count; ++k) to[k] = gradient[k] - exponential(out[k]) * each[k];
    }
  }
}
REMAT_VECTORISED_IN_REGISTERS(log_softmax_short_rows_backward,
                              (const float* y, const float* dy, float* dx, bool adds, std::size_t classes,
                               std::size_t begin, std::size_t end),
                              y, dy, dx, adds, classes, begin, end)

/// Rows [begin, end) of (rows, classes); y may be x.
REMAT_VECTORISED inline void log_softmax_rows(const float* x, float* y, std::size_t classes, std::size_t begin,
                                              std::size_t end) {
  for (std::size_t row = begin; row < end; ++row) {
    const float* const in = x + row * classes;
    float* const out = y + row * classes;
    const float largest = largest_of(in, classes);
    const double sum = sum_of(0, classes, [=](std::size_t c) { return exponential(in[c] - largest); });
    const float shift = static_cast<float>(std::log(sum));
    REMAT_INDEPENDENT
    for (std::size_t k = 0; k < classes; ++k) out[k] = in[k] - largest - shift;
  }
}

/// Likewise; dx may be dy.
REMAT_VECTORISED inline void log_softmax_rows_backward(const float* y, const float* dy, float* dx, bool adds,
                                                       std::size_t classes, std::size_t begin, std::size_t end) {
  for (std::size_t row = begin; row < end; ++row) {
    const float *const out = y + row * classes, *const gradient = dy + row * classes;
    float* const to = dx + row * classes;
    const float sum = static_cast<float>(sum_of(0, classes, [=](std::size_t c) { return gradient[c]; }));
    if (adds) {
      REMAT_INDEPENDENT
      for (std::size_t c = 0; c < classes; ++c) to[c] += gradient[c] - exponential(out[c]) * sum;
    } else {
      REMAT_INDEPENDENT
      for (std::size_t c = 0; c < classes; ++c) to[c] = gradient[c] - exponential(out[c]) * sum;
    }
  }
}

REMAT_END_VECTOR_CODE

struct log_softmax_kernels {
  static void forward(const forward_pass& pass) {
    const std::span<const float> x = pass.input();
    float* const y = pass.output().data();
    const std::size_t classes = row_elements(pass.input_shape());
    parallel_for(x.size() / classes, row_grain(classes), [=, from = x.data()](std::size_t begin, std::size_t end) {
      loop_for_rows_of(classes, log_softmax_columns, log_softmax_short_rows, log_softmax_rows)(from, y, classes, begin,
                                                                                               end);
    });
  }
  static void backward_input(const backward_pass& pass) {
    const std::size_t classes = row_elements(pass.input_shape());
    const destination dx = pass.input_gradient();
    parallel_for(dx.size() / classes, row_grain(classes),
                 [=, y = pass.output().data(), dy = pass.output_gradient().data()](std::size_t begin, std::size_t end) {
                   loop_for_rows_of(classes, log_softmax_columns_backward, log_softmax_short_rows_backward,
                                    log_softmax_rows_backward)(y, dy, dx.data(), dx.accumulates(), classes, begin, end);
                 });
  }
};

}  // namespace detail

/// PyTorch's `LogSoftmax` over the last extent, of images over dim 1.
struct log_softmax : detail::normalisation_of_rows {
  static constexpr std::string_view kind = "log_softmax";

  using kernels = detail::log_softmax_kernels;
};

}  // namespace remat::nn

REMAT_COMPILED_KERNELS(detail::log_softmax_kernels)
