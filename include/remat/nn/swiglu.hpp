// SPDX-License-Identifier: MIT
/// The gate of Llama's feed-forward blocks (SwiGLU, Shazeer 2020): one tensor through silu, times another. Backward
/// reads both.
///
///     forward   y  = g s(g) u,  s(g) = 1 / (1 + exp(-g))
///     backward  dg = dy u (s(g) + g s(g) s(-g)),  du = dy g s(g)
///
/// Under the names of Hugging Face's LlamaMLP:
///
///     sequential<parallel<nn::swiglu, named<"gate_proj", nn::linear<D, F, nn::bias::without>>,
///                                     named<"up_proj", nn::linear<D, F, nn::bias::without>>>,
///                named<"down_proj", nn::linear<F, D, nn::bias::without>>>
#pragma once

#include <remat/core/module.hpp>
#include <remat/nn/exponential.hpp>
#include <remat/nn/floats.hpp>

#include <array>
#include <cmath>
#include <cstddef>
#include <string_view>

namespace remat::nn {
namespace detail {

REMAT_BEGIN_VECTOR_CODE

/// y may be g.
REMAT_VECTORISED inline void swiglu_elements(const float* g, const float* u, float* y, std::size_t count) {
  REMAT_INDEPENDENT
  for (std::size_t i = 0; i < count; ++i) {
    const float e = exponential(-std::fabs(g[i]));
    y[i] = g[i] * (g[i] < 0 ? e : 1.0f) / (1.0f + e) * u[i];
  }
}

/// The gradients of g, then of u, a few at a time. Either may be null. Both may be added to one memory, and dg may be
/// dy's.
REMAT_VECTORISED inline void swiglu_elements_backward(const float* g, const float* u, const float* dy, float* dg,
                                                      bool adds_g, float* du, bool adds_u, std::size_t size) {
  constexpr std::size_t few = 256;
  float of_g[few], of_u[few];
  for (std::size_t first = 0; first < size; first += few) {
    const std::size_t count = size - first < few ? size - first : few;
    const float *const gate = g + first, *const up = u + first, *const gradient = dy + first;
    for (std::size_t k = 0; k < count; ++k) {
      const float e = exponential(-std::fabs(gate[k])), share = 1.0f / (1.0f + e);
      const float s = (gate[k] < 0 ? e : 1.0f) * share;
      of_g[k] = gradient[k] * up[k] * (s + gate[k] * e * share * share);
      of_u[k] = gradient[k] * (gate[k] * s);
    }
    if (dg != nullptr)
      for (std::size_t k = 0; k < count; ++k) dg[first + k] = adds_g ? dg[first + k] + of_g[k] : of_g[k];
    if (du != nullptr)
      for (std::size_t k = 0; k < count; ++k) du[first + k] = adds_u ? du[first + k] + of_u[k] : of_u[k];
  }
}

REMAT_END_VECTOR_CODE

}  // namespace detail

/// `silu(gate) * up` of two tensors of one shape.
struct swiglu : module {
  static constexpr std::string_view kind = "swiglu";
  template <class X>
    requires(shape_of<X>::value.type == element::float32)
  static X output(X, X);
  static constexpr reads backward_input_reads = reads::inputs;
  static constexpr traits is{.in_place = true, .takes_bfloat16 = true, .gives_bfloat16 = true};
  static constexpr double flops(tensor_shapes inputs, tensor_shapes) {
    return 9.0 * static_cast<double>(inputs[0].elements());
  }

  static void forward(const forward_pass& pass) {
    detail::in_parts(std::array{pass.input_numbers(0), pass.input_numbers(1)}, pass.output_numbers(), grain,
                     [](const auto& from, float* y, std::size_t, std::size_t count) {
                       detail::swiglu_elements(from[0], from[1], y, count);
                     });
  }
  static void backward_input(const backward_pass& pass) {
    const std::array read{pass.input_numbers(0), pass.input_numbers(1), pass.output_gradient_numbers()};
    const numbers dg = pass.input_gradient_numbers(0), du = pass.input_gradient_numbers(1);
    const detail::floats_out of_u(du);
    parallel_for(read[2].size, grain, [&](std::size_t begin, std::size_t end) {
      alignas(64) float room[detail::usual_part];
      for (std::size_t at = begin; at < end; at += detail::usual_part) {
        const std::size_t last = end - at < detail::usual_part ? end : at + detail::usual_part;
        detail::in_parts_of(read, dg, at, last, 1,
                            [&](const auto& from, float* to_g, std::size_t first, std::size_t count) {
                              float* const to_u = of_u.at(first, room);
                              detail::swiglu_elements_backward(from[0], from[1], from[2], to_g, dg.accumulates, to_u,
                                                               du.accumulates, count);
                              of_u.finish(first, count, to_u);
                            });
      }
    });
  }

 private:
  static constexpr std::size_t grain = 4096;  // elements for which a second thread pays
};

}  // namespace remat::nn

REMAT_COMPILED_KERNELS(swiglu)
