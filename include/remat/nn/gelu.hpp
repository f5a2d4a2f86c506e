// SPDX-License-Identifier: MIT
/// The Gaussian error linear unit (Hendrycks, Gimpel 2016). Backward reads the input.
///
///     gelu         y = x P(x)            dx = dy (P(x) + x p(x))     P, p: the normal distribution and its density
///     gelu_tanh    y = x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2
///
/// gelu is a loop of ours, in both halves: P of a negative x is computed as the tail that it is, not as 1 less almost
/// 1, so that y is exact to a few units in the last place wherever it is not 0; at -infinity it is 0, its limit, where
/// PyTorch's is NaN. gelu_tanh is oneDNN's.
#pragma once

#include <remat/core/module.hpp>
#include <remat/nn/elementwise_function.hpp>
#include <remat/nn/floats.hpp>
#include <remat/nn/normal_distribution.hpp>
#include <remat/nn/same_shape.hpp>

#include <array>
#include <cstddef>
#include <string_view>

namespace remat::nn {

namespace detail {

REMAT_BEGIN_VECTOR_CODE

/// y may be x.
REMAT_VECTORISED inline void gelu_elements(const float* x, float* y, std::size_t count) {
  REMAT_INDEPENDENT
  for (std::size_t i = 0; i < count; ++i) {
    const normal_tail tail = tail_of(x[i]);
    const float outside = tail.exponential * tail.ratio;
    y[i] = x[i] * (x[i] < 0 ? outside : 1 - outside);
  }
}

[[gnu::always_inline]] inline float gelu_slope(float x) {
  constexpr float density_at_0 = 0.398942280f;
  const float magnitude = x < 0 ? -x : x, bounded = magnitude > 14 ? 14.0f : magnitude;  // infinity times 0 is NaN
  const normal_tail tail = tail_of(x);
  const float outside = tail.exponential * (tail.ratio - bounded * density_at_0);
  return x < 0 ? outside : 1 - outside;
}

/// dx may be dy.
REMAT_VECTORISED inline void gelu_elements_backward(const float* x, const float* dy, float* dx, bool adds,
                                                    std::size_t count) {
  if (adds) {
    REMAT_INDEPENDENT
    for (std::size_t i = 0; i < count; ++i) dx[i] += dy[i] * gelu_slope(x[i]);
  } else {
    REMAT_INDEPENDENT
    for (std::size_t i = 0; i < count; ++i) dx[i] = dy[i] * gelu_slope(x[i]);
  }
}

REMAT_END_VECTOR_CODE

struct gelu_kernels {
  static constexpr std::size_t grain = 4096;  // elements for which a second thread pays

  static void forward(const forward_pass& pass) {
    in_parts(std::array{pass.input_numbers()}, pass.output_numbers(), grain,
             [](const auto& from, float* y, std::size_t, std::size_t count) { gelu_elements(from[0], y, count); });
  }
  static void backward_input(const backward_pass& pass) {
    const numbers dx = pass.input_gradient_numbers();
    in_parts(std::array{pass.input_numbers(), pass.output_gradient_numbers()}, dx, grain,
             [adds = dx.accumulates](const auto& from, float* to, std::size_t, std::size_t count) {
               gelu_elements_backward(from[0], from[1], to, adds, count);
             });
  }
};

template <class Kernels>
struct gelu_module : detail::same_shape {
  static constexpr reads backward_input_reads = reads::inputs;
  static constexpr traits is{.in_place = true, .takes_bfloat16 = true, .gives_bfloat16 = true};
  static constexpr double flops(tensor_shapes inputs, tensor_shapes) {
    return 10.0 * static_cast<double>(inputs[0].elements());
  }

  using kernels = Kernels;
};

}  // namespace detail

/// PyTorch's `GELU()`.
struct gelu : detail::gelu_module<detail::gelu_kernels> {
  static constexpr std::string_view kind = "gelu";
};
/// PyTorch's `GELU(approximate="tanh")`.
struct gelu_tanh : detail::gelu_module<detail::function_kernels<onednn::function::gelu_by_tanh>> {
  static constexpr std::string_view kind = "gelu_tanh";
};

}  // namespace remat::nn

REMAT_COMPILED_KERNELS(detail::gelu_kernels)
REMAT_COMPILED_KERNELS(detail::function_kernels<onednn::function::gelu_by_tanh>)
