// SPDX-License-Identifier: MIT
/// The rectifier: y = max(x, 0). Backward reads the output: dx = dy where y is positive, else 0.
///
/// After a linear layer or a convolution it is fused into it (see plan/fuse.hpp); elsewhere it works in place where
/// nobody needs its input. A NaN stays one.
#pragma once

#include <remat/core/module.hpp>
#include <remat/core/parallel.hpp>
#include <remat/nn/copy_numbers.hpp>
#include <remat/nn/same_shape.hpp>

#include <array>
#include <cstddef>
#include <string_view>

namespace remat::nn {

struct relu : detail::same_shape {
  static constexpr std::string_view kind = "relu";
  static constexpr reads backward_input_reads = reads::outputs;
  static constexpr traits is{
      .in_place = true, .acts_as = activation::relu, .takes_bfloat16 = true, .gives_bfloat16 = true};

  static void forward(const forward_pass& pass) {
    detail::in_parts(std::array{pass.input_numbers()}, pass.output_numbers(), grain_of_numbers,
                     [](const auto& from, float* y, std::size_t, std::size_t count) {
                       const float* const x = from[0];
                       in_lanes(0, count, [=](std::size_t i) { y[i] = x[i] <= 0 ? 0.0f : x[i]; });
                     });
  }
  static void backward_input(const backward_pass& pass) {
    differentiate(activation::relu, pass.output_numbers(), pass.output_gradient_numbers(),
                  pass.input_gradient_numbers());
  }
};

}  // namespace remat::nn

REMAT_COMPILED_KERNELS(relu)
