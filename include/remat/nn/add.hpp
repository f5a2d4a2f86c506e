// SPDX-License-Identifier: MIT
/// The sum of two or more tensors of one shape, from left to right. Backward reads nothing and runs no kernel: the
/// gradient of every input is that of the output.
#pragma once

#include <remat/core/module.hpp>

#include <concepts>
#include <string_view>

namespace remat::nn {

struct add : module {
  static constexpr std::string_view kind = "add";
  template <class X, std::same_as<X>... Rest>
    requires(sizeof...(Rest) > 0)
  static X output(X, Rest...);
  static constexpr traits is{.in_place = true, .fuses = {activation::relu}, .passes_gradient = true};

  static void forward(const forward_pass& pass) {
    float* const y = pass.output().data();
    const std::size_t size = pass.output().size();
    const bool acts = pass.activation_after() == activation::relu;
    const float* sum = pass.input(0).data();
    for (int i = 1; i < pass.inputs(); ++i) {
      const float* const x = pass.input(i).data();
      if (acts && i + 1 == pass.inputs())
        elementwise(size, [=](std::size_t k) { y[k] = sum[k] + x[k] <= 0 ? 0.0f : sum[k] + x[k]; });
      else
        elementwise(size, [=](std::size_t k) { y[k] = sum[k] + x[k]; });
      sum = y;
    }
  }
};

}  // namespace remat::nn

REMAT_COMPILED_KERNELS(add)
