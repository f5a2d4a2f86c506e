// SPDX-License-Identifier: MIT
/// The hyperbolic tangent: y = tanh(x). Backward reads the output: dx = dy (1 - y)(1 + y).
///
/// After a linear layer or a convolution it is fused into it (see plan/fuse.hpp); elsewhere it works in place where
/// nobody needs its input. Both are oneDNN's, by the same approximation.
#pragma once

#include <remat/core/module.hpp>
#include <remat/nn/elementwise_function.hpp>
#include <remat/nn/same_shape.hpp>

#include <string_view>

namespace remat::nn {
namespace detail {

struct tanh_kernels : function_forward<onednn::function::tanh> {
  static void backward_input(const backward_pass& pass) {
    differentiate(activation::tanh, pass.output_numbers(), pass.output_gradient_numbers(),
                  pass.input_gradient_numbers());
  }
};

}  // namespace detail

struct tanh : detail::same_shape {
  static constexpr std::string_view kind = "tanh";
  static constexpr reads backward_input_reads = reads::outputs;
  static constexpr traits is{
      .in_place = true, .acts_as = activation::tanh, .takes_bfloat16 = true, .gives_bfloat16 = true};
  static constexpr double flops(tensor_shapes inputs, tensor_shapes) {
    return 8.0 * static_cast<double>(inputs[0].elements());
  }

  using kernels = detail::tanh_kernels;
};

}  // namespace remat::nn

REMAT_COMPILED_KERNELS(detail::tanh_kernels)
