// SPDX-License-Identifier: MIT
/// The sigmoid linear unit, or swish (Hendrycks, Gimpel 2016). Backward reads the input.
///
///     forward   y  = x s(x),  s(x) = 1 / (1 + exp(-x))
///     backward  dx = dy (s(x) + x s(x) s(-x))
#pragma once

#include <remat/core/module.hpp>
#include <remat/nn/exponential.hpp>
#include <remat/nn/same_shape.hpp>

#include <cmath>
#include <cstddef>
#include <string_view>

namespace remat::nn {
namespace detail {

REMAT_BEGIN_VECTOR_CODE

/// y may be x.
REMAT_VECTORISED inline void silu_elements(const float* x, float* y, std::size_t begin, std::size_t end) {
  REMAT_INDEPENDENT
  for (std::size_t i = begin; i < end; ++i) {
    const float e = exponential(-std::fabs(x[i]));
    y[i] = x[i] * (x[i] < 0 ? e : 1.0f) / (1.0f + e);
  }
}

/// dx may be dy.
REMAT_VECTORISED inline void silu_elements_backward(const float* x, const float* dy, float* dx, bool adds,
                                                    std::size_t begin, std::size_t end) {
  REMAT_INDEPENDENT
  for (std::size_t i = begin; i < end; ++i) {
    const float e = exponential(-std::fabs(x[i])), share = 1.0f / (1.0f + e);
    const float slope = (x[i] < 0 ? e : 1.0f) * share + x[i] * e * share * share;
    dx[i] = adds ? dx[i] + dy[i] * slope : dy[i] * slope;
  }
}

REMAT_END_VECTOR_CODE

struct silu_kernels {
  static constexpr std::size_t grain = 4096;  // elements for which a second thread pays

  static void forward(const forward_pass& pass) {
    const float* const x = pass.input().data();
    float* const y = pass.output().data();
    parallel_for(pass.output().size(), grain,
                 [=](std::size_t begin, std::size_t end) { silu_elements(x, y, begin, end); });
  }
  static void backward_input(const backward_pass& pass) {
    const float *const x = pass.input().data(), *const dy = pass.output_gradient().data();
    const destination dx = pass.input_gradient();
    parallel_for(dx.size(), grain, [=](std::size_t begin, std::size_t end) {
      silu_elements_backward(x, dy, dx.data(), dx.accumulates(), begin, end);
    });
  }
};

}  // namespace detail

/// PyTorch's `SiLU()`.
struct silu : detail::same_shape {
  static constexpr std::string_view kind = "silu";
  static constexpr reads backward_input_reads = reads::inputs;
  static constexpr traits is{.in_place = true};
  static constexpr double flops(tensor_shapes inputs, tensor_shapes) {
    return 8.0 * static_cast<double>(inputs[0].elements());
  }

  using kernels = detail::silu_kernels;
};

}  // namespace remat::nn

REMAT_COMPILED_KERNELS(detail::silu_kernels)
