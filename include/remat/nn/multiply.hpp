// SPDX-License-Identifier: MIT
/// The product of two or more tensors of one shape, element by element, from left to right. Backward reads the inputs:
/// the gradient of each is that of the output times the others.
#pragma once

#include <remat/core/module.hpp>

#include <array>
#include <concepts>
#include <string_view>

namespace remat::nn {

struct multiply : module {
  static constexpr std::string_view kind = "multiply";
  template <class X, std::same_as<X>... Rest>
    requires(sizeof...(Rest) > 0)
  static X output(X, Rest...);
  static constexpr reads backward_input_reads = reads::inputs;

  static void forward(const forward_pass& pass) {
    float* const y = pass.output().data();
    const float* product = pass.input(0).data();
    for (int i = 1; i < pass.inputs(); ++i) {
      elementwise(pass.output().size(),
                  [y, product, x = pass.input(i).data()](std::size_t k) { y[k] = product[k] * x[k]; });
      product = y;
    }
  }

  static void backward_input(const backward_pass& pass) {
    const float* const dy = pass.output_gradient().data();
    for (int i = 0; i < pass.inputs(); ++i) {
      if (!pass.wants_input_gradient(i)) continue;
      std::array<const float*, call::max_tensors> others = {};
      int count = 0;
      for (int k = 0; k < pass.inputs(); ++k)
        if (k != i) others[static_cast<std::size_t>(count++)] = pass.input(k).data();
      if (count == 1)
        pass.input_gradient(i).assign([dy, other = others[0]](std::size_t k) { return dy[k] * other[k]; });
      else
        pass.input_gradient(i).assign([=](std::size_t k) {
          float product = dy[k];
          for (int m = 0; m < count; ++m) product *= others[static_cast<std::size_t>(m)][k];
          return product;
        });
    }
  }
};

}  // namespace remat::nn
