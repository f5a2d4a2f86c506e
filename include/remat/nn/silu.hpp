// SPDX-License-Identifier: MIT
/// The sigmoid linear unit, or swish (Hendrycks, Gimpel 2016). Backward reads the input.
///
///     forward   y  = x s(x),  s(x) = 1 / (1 + exp(-x))
///     backward  dx = dy (s(x) + x s(x) s(-x))
#pragma once

#include <remat/core/module.hpp>
#include <remat/nn/exponential.hpp>
#include <remat/nn/floats.hpp>
#include <remat/nn/same_shape.hpp>

#include <array>
#include <cmath>
#include <cstddef>
#include <string_view>

namespace remat::nn {
namespace detail {

REMAT_BEGIN_VECTOR_CODE

/// y may be x.
REMAT_VECTORISED inline void silu_elements(const float* x, float* y, std::size_t count) {
  REMAT_INDEPENDENT
  for (std::size_t i = 0; i < count; ++i) {
    const float e = exponential(-std::fabs(x[i]));
    y[i] = x[i] * (x[i] < 0 ? e : 1.0f) / (1.0f + e);
  }
}

/// dx may be dy.
REMAT_VECTORISED inline void silu_elements_backward(const float* x, const float* dy, float* dx, bool adds,
                                                    std::size_t count) {
  REMAT_INDEPENDENT
  for (std::size_t i = 0; i < count; ++i) {
    const float e = exponential(-std::fabs(x[i])), share = 1.0f / (1.0f + e);
    const float slope = (x[i] < 0 ? e : 1.0f) * share + x[i] * e * share * share;
    dx[i] = adds ? dx[i] + dy[i] * slope : dy[i] * slope;
  }
}

REMAT_END_VECTOR_CODE

struct silu_kernels {
  static constexpr std::size_t grain = 4096;  // elements for which a second thread pays

  static void forward(const forward_pass& pass) {
    in_parts(std::array{pass.input_numbers()}, pass.output_numbers(), grain,
             [](const auto& from, float* y, std::size_t, std::size_t count) { silu_elements(from[0], y, count); });
  }
  static void backward_input(const backward_pass& pass) {
    const numbers dx = pass.input_gradient_numbers();
    in_parts(std::array{pass.input_numbers(), pass.output_gradient_numbers()}, dx, grain,
             [adds = dx.accumulates](const auto& from, float* to, std::size_t, std::size_t count) {
               silu_elements_backward(from[0], from[1], to, adds, count);
             });
  }
};

}  // namespace detail

/// PyTorch's `SiLU()`.
struct silu : detail::same_shape {
  static constexpr std::string_view kind = "silu";
  static constexpr reads backward_input_reads = reads::inputs;
  static constexpr traits is{.in_place = true, .takes_bfloat16 = true, .gives_bfloat16 = true};
  static constexpr double flops(tensor_shapes inputs, tensor_shapes) {
    return 8.0 * static_cast<double>(inputs[0].elements());
  }

  using kernels = detail::silu_kernels;
};

}  // namespace remat::nn

REMAT_COMPILED_KERNELS(detail::silu_kernels)
