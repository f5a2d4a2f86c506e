// SPDX-License-Identifier: MIT
/// Layer normalisation (Ba et al. 2016) of each row: of (D), of each row of (T, D), and so on.
///
///     forward               y  = h w + b,  h = (x - mean) r,  r = 1 / sqrt(variance + epsilon)
///     backward, input       dx = r (g - mean of g - h (mean of g h)),  g = dy w
///     backward, parameters  dw = sum of dy h over the rows,  db = sum of dy
///
/// Both halves read the input and two numbers a row that forward leaves, mean and r; where both are wanted, one pass
/// over the rows gives both. Sums over rows are taken in up to 64 blocks, whose number depends on the rows alone, and
/// then in their order.
#pragma once

#include <remat/core/module.hpp>
#include <remat/nn/norm_options.hpp>
#include <remat/nn/normalised_rows.hpp>
#include <remat/nn/row_norm.hpp>
#include <remat/nn/rows.hpp>
#include <remat/nn/vectorised.hpp>

#include <array>
#include <cmath>
#include <cstddef>
#include <string_view>

namespace remat::nn {
namespace detail {

REMAT_BEGIN_VECTOR_CODE

/// Of (rows, size); y may be x. `means` and `rs` may be null.
REMAT_VECTORISED inline void layer_norm_rows(const float* x, const float* w, const float* b, float* y, float* means,
                                             float* rs, double epsilon, std::size_t size, std::size_t rows) {
  const double count = static_cast<double>(size);
  for (std::size_t row = 0; row < rows; ++row) {
    const float* const in = x + row * size;
    float* const out = y + row * size;
    const float mean = static_cast<float>(sum_of(0, size, [=](std::size_t c) { return in[c]; }) / count);
    const double squares = sum_of(0, size, [=](std::size_t c) { return (in[c] - mean) * (in[c] - mean); });
    const float r = static_cast<float>(1 / std::sqrt(squares / count + epsilon));
    REMAT_INDEPENDENT
    for (std::size_t c = 0; c < size; ++c) out[c] = (in[c] - mean) * r * w[c] + b[c];
    if (means != nullptr) means[row] = mean;
    if (rs != nullptr) rs[row] = r;
  }
}

/// Rows of dx, and their part of dw and db, (size) each, which starts at 0; without `dx`, or without `dw` and `db`,
/// that half is left out.
REMAT_VECTORISED inline void layer_norm_rows_backward(const row_norm_gradients& t, const float* w, const float* means,
                                                      const float* rs, float* dw, float* db, std::size_t size,
                                                      std::size_t rows) {
  for (std::size_t row = 0; row < rows; ++row) {
    const float *const x = t.x + row * size, *const dy = t.dy + row * size;
    const float mean = means[row], r = rs[row];
    if (dw != nullptr) {
      REMAT_INDEPENDENT
      for (std::size_t c = 0; c < size; ++c) {
        dw[c] += dy[c] * ((x[c] - mean) * r);
        db[c] += dy[c];
      }
    }
    if (t.dx == nullptr) continue;
    float* const dx = t.dx + row * size;
    const double count = static_cast<double>(size);
    const float mean_g = static_cast<float>(sum_of(0, size, [=](std::size_t c) { return dy[c] * w[c]; }) / count);
    const float mean_gh =
        static_cast<float>(sum_of(0, size, [=](std::size_t c) { return dy[c] * w[c] * ((x[c] - mean) * r); }) / count);
    if (t.adds) {
      REMAT_INDEPENDENT
      for (std::size_t c = 0; c < size; ++c) dx[c] += r * (dy[c] * w[c] - mean_g - (x[c] - mean) * r * mean_gh);
    } else {
      REMAT_INDEPENDENT
      for (std::size_t c = 0; c < size; ++c) dx[c] = r * (dy[c] * w[c] - mean_g - (x[c] - mean) * r * mean_gh);
    }
  }
}

REMAT_END_VECTOR_CODE

/// The weight and the bias; the mean and r of each row.
struct layer_norm_of_rows {
  static constexpr std::size_t parameters = 2, saved = 2;
  using two = std::array<const float*, 2>;
  static void forward(const float* x, const two& parameter, float* y, const std::array<float*, 2>& kept, double epsilon,
                      std::size_t size, std::size_t rows) {
    layer_norm_rows(x, parameter[0], parameter[1], y, kept[0], kept[1], epsilon, size, rows);
  }
  static void backward(const row_norm_gradients& t, const two& parameter, const two& kept,
                       const std::array<float*, 2>& sums, std::size_t size, std::size_t rows) {
    layer_norm_rows_backward(t, parameter[0], kept[0], kept[1], sums[0], sums[1], size, rows);
  }
};
using layer_norm_kernels = row_norm_kernels<layer_norm_of_rows>;

template <std::size_t D>
struct layer_norm_size {
  static constexpr bool holds = true;
  static_assert(D > 0, "remat: a layer_norm has at least one element in a row; give it more");
};

}  // namespace detail

/// PyTorch's `LayerNorm(D, eps=1e-5)`; takes (D), (T, D) and so on, and images [D, H, W], of which it normalises the
/// channels of each pixel, as torchvision's `LayerNorm2d`.
template <std::size_t D, norm_options Options = norm_options{}>
struct layer_norm : detail::normalises_rows<D> {
  static_assert(detail::layer_norm_size<D>::holds);
  static_assert(detail::norm_epsilon<Options>::holds);

  static constexpr std::string_view kind = "layer_norm";
  /// The mean of each row, and 1 / its deviation.
  template <class X, class Number = decltype(detail::normalises_rows<D>::of_rows(X{}))>
  static tensors<Number, Number> saved_shape(X);
  static constexpr reads backward_input_reads = reads::inputs | reads::saved;
  static constexpr reads backward_parameters_reads = reads::inputs | reads::saved;
  static constexpr traits is{.in_place = true, .takes_bfloat16 = true, .gives_bfloat16 = true};
  static constexpr double flops(tensor_shapes inputs, tensor_shapes) {
    return 8.0 * static_cast<double>(inputs[0].elements());
  }

  static constexpr std::array parameters{parameter("weight", {D}, initial::constant(1)),
                                         parameter("bias", {D}, initial::constant(0))};
  static constexpr detail::row_norm_attributes attributes{D, Options.epsilon};
  using kernels = detail::layer_norm_kernels;
};

}  // namespace remat::nn

REMAT_COMPILED_KERNELS(detail::layer_norm_kernels)
