// SPDX-License-Identifier: MIT
/// Root mean square normalisation (Zhang, Sennrich 2019) of each row: of (D), of each row of (T, D), and so on.
///
///     forward               y  = x r w,  r = 1 / sqrt(mean of x^2 + epsilon)
///     backward, input       dx = r (g - x r^2 (mean of x g)),  g = dy w
///     backward, parameters  dw = sum of dy x r over the rows
///
/// Both halves read the input and one number a row that forward leaves, r; where both are wanted, one pass over the
/// rows gives both. Sums over rows are taken as those of layer_norm are.
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

/// Of (rows, size); y may be x. `rs` may be null.
REMAT_VECTORISED inline void rms_norm_rows(const float* x, const float* w, float* y, float* rs, double epsilon,
                                           std::size_t size, std::size_t rows) {
  const double count = static_cast<double>(size);
  for (std::size_t row = 0; row < rows; ++row) {
    const float* const in = x + row * size;
    float* const out = y + row * size;
    const double squares = sum_of(0, size, [=](std::size_t c) { return in[c] * in[c]; });
    const float r = static_cast<float>(1 / std::sqrt(squares / count + epsilon));
    REMAT_INDEPENDENT
    for (std::size_t c = 0; c < size; ++c) out[c] = in[c] * r * w[c];
    if (rs != nullptr) rs[row] = r;
  }
}

/// Rows of dx, and their part of dw (size), which starts at 0; without `dx`, or without `dw`, that half is left out.
REMAT_VECTORISED inline void rms_norm_rows_backward(const row_norm_gradients& t, const float* w, const float* rs,
                                                    float* dw, std::size_t size, std::size_t rows) {
  for (std::size_t row = 0; row < rows; ++row) {
    const float *const x = t.x + row * size, *const dy = t.dy + row * size;
    const float r = rs[row];
    if (dw != nullptr) {
      REMAT_INDEPENDENT
      for (std::size_t c = 0; c < size; ++c) dw[c] += dy[c] * (x[c] * r);
    }
    if (t.dx == nullptr) continue;
    float* const dx = t.dx + row * size;
    const double sum = sum_of(0, size, [=](std::size_t c) { return dy[c] * w[c] * (x[c] * r); });
    const float mean = static_cast<float>(sum / static_cast<double>(size));
    const bool adds = t.adds;
    REMAT_INDEPENDENT
    for (std::size_t c = 0; c < size; ++c) {
      const float gradient = r * (dy[c] * w[c] - x[c] * r * mean);
      dx[c] = adds ? dx[c] + gradient : gradient;
    }
  }
}

REMAT_END_VECTOR_CODE

/// The weight; r of each row.
struct rms_norm_of_rows {
  static constexpr std::size_t parameters = 1, saved = 1;
  using one = std::array<const float*, 1>;
  static void forward(const float* x, const one& parameter, float* y, const std::array<float*, 1>& kept, double epsilon,
                      std::size_t size, std::size_t rows) {
    rms_norm_rows(x, parameter[0], y, kept[0], epsilon, size, rows);
  }
  static void backward(const row_norm_gradients& t, const one& parameter, const one& kept,
                       const std::array<float*, 1>& sums, std::size_t size, std::size_t rows) {
    rms_norm_rows_backward(t, parameter[0], kept[0], sums[0], size, rows);
  }
};
using rms_norm_kernels = row_norm_kernels<rms_norm_of_rows>;

template <std::size_t D>
struct rms_norm_size {
  static constexpr bool holds = true;
  static_assert(D > 0, "remat: an rms_norm has at least one element in a row; give it more");
};

}  // namespace detail

/// PyTorch's `RMSNorm(D, eps=1e-5)`, Hugging Face's `LlamaRMSNorm`; takes (D), (T, D) and so on, and images [D, H, W], of
/// which it normalises the channels of each pixel.
template <std::size_t D, norm_options Options = norm_options{}>
struct rms_norm : detail::normalises_rows<D> {
  static_assert(detail::rms_norm_size<D>::holds);
  static_assert(detail::norm_epsilon<Options>::holds);

  static constexpr std::string_view kind = "rms_norm";
  /// 1 / the root of the mean of the squares of each row.
  template <class X, class Number = decltype(detail::normalises_rows<D>::of_rows(X{}))>
  static Number saved_shape(X);
  static constexpr reads backward_input_reads = reads::inputs | reads::saved;
  static constexpr reads backward_parameters_reads = reads::inputs | reads::saved;
  static constexpr traits is{.in_place = true, .takes_bfloat16 = true, .gives_bfloat16 = true};
  static constexpr double flops(tensor_shapes inputs, tensor_shapes) {
    return 5.0 * static_cast<double>(inputs[0].elements());
  }

  static constexpr std::array parameters{parameter("weight", {D}, initial::constant(1))};
  static constexpr detail::row_norm_attributes attributes{D, Options.epsilon};
  using kernels = detail::rms_norm_kernels;
};

}  // namespace remat::nn

REMAT_COMPILED_KERNELS(detail::rms_norm_kernels)
