// SPDX-License-Identifier: MIT
/// The gate of Llama's feed-forward blocks (SwiGLU, Shazeer 2020): one tensor through silu, times another. Backward reads
/// both.
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

#include <cmath>
#include <cstddef>
#include <string_view>

namespace remat::nn {
namespace detail {

REMAT_BEGIN_VECTOR_CODE

/// y may be g.
REMAT_VECTORISED inline void swiglu_elements(const float* g, const float* u, float* y, std::size_t begin,
                                             std::size_t end) {
  REMAT_INDEPENDENT
  for (std::size_t i = begin; i < end; ++i) {
    const float e = exponential(-std::fabs(g[i]));
    y[i] = g[i] * (g[i] < 0 ? e : 1.0f) / (1.0f + e) * u[i];
  }
}

/// The gradients of g and u, a few at a time: dg, then du, which may be the same memory, dg may be dy. Either may be null.
REMAT_VECTORISED inline void swiglu_elements_backward(const float* g, const float* u, const float* dy, float* dg,
                                                      bool adds_g, float* du, bool adds_u, std::size_t begin,
                                                      std::size_t end) {
  constexpr std::size_t few = 256;
  float of_g[few], of_u[few];
  for (std::size_t first = begin; first < end; first += few) {
    const std::size_t count = end - first < few ? end - first : few;
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
  static X output(X, X);
  static constexpr reads backward_input_reads = reads::inputs;
  static constexpr traits is{.in_place = true};
  static constexpr double flops(tensor_shapes inputs, tensor_shapes) {
    return 9.0 * static_cast<double>(inputs[0].elements());
  }

  static void forward(const forward_pass& pass) {
    const float *const g = pass.input(0).data(), *const u = pass.input(1).data();
    float* const y = pass.output().data();
    parallel_for(pass.output().size(), grain,
                 [=](std::size_t begin, std::size_t end) { detail::swiglu_elements(g, u, y, begin, end); });
  }
  static void backward_input(const backward_pass& pass) {
    const float *const g = pass.input(0).data(), *const u = pass.input(1).data(),
                       *const dy = pass.output_gradient().data();
    const auto to = [&](int i) {
      return pass.wants_input_gradient(i) ? pass.input_gradient(i) : destination(nullptr, 0, false);
    };
    const destination dg = to(0), du = to(1);
    parallel_for(pass.output_gradient().size(), grain, [=](std::size_t begin, std::size_t end) {
      detail::swiglu_elements_backward(g, u, dy, dg.data(), dg.accumulates(), du.data(), du.accumulates(), begin, end);
    });
  }

 private:
  static constexpr std::size_t grain = 4096;  // elements for which a second thread pays
};

}  // namespace remat::nn

REMAT_COMPILED_KERNELS(swiglu)
