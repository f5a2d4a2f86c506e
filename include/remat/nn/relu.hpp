// SPDX-License-Identifier: MIT
/// The rectifier: y = max(x, 0). Backward reads the output: dx = dy where y is positive, else 0.
///
/// After a linear layer or a convolution it is fused into it (see plan/fuse.hpp); elsewhere it works in place where
/// nobody needs its input. A NaN stays one.
#pragma once

#include <remat/core/module.hpp>
#include <remat/nn/same_shape.hpp>

#include <string_view>

namespace remat::nn {

struct relu : detail::same_shape {
  static constexpr std::string_view kind = "relu";
  static constexpr reads backward_input_reads = reads::outputs;
  static constexpr traits is{.in_place = true, .acts_as = activation::relu};

  static void forward(const forward_pass& pass) {
    const float* const x = pass.input().data();
    float* const y = pass.output().data();
    elementwise(pass.output().size(), [=](std::size_t i) { y[i] = x[i] <= 0 ? 0.0f : x[i]; });
  }
  static void backward_input(const backward_pass& pass) {
    const float *const y = pass.output().data(), *const dy = pass.output_gradient().data();
    pass.input_gradient().assign([=](std::size_t i) { return relu_gradient(y[i], dy[i]); });
  }
};

}  // namespace remat::nn

REMAT_COMPILED_KERNELS(relu)
