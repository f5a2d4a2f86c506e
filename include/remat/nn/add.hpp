// SPDX-License-Identifier: MIT
/// The sum of two or more tensors of one shape, from left to right. Backward reads nothing and runs no kernel: the
/// gradient of every input is that of the output.
#pragma once

#include <remat/core/module.hpp>
#include <remat/core/parallel.hpp>
#include <remat/nn/floats.hpp>

#include <array>
#include <concepts>
#include <cstddef>
#include <string_view>

namespace remat::nn {

struct add : module {
  static constexpr std::string_view kind = "add";
  template <class X, std::same_as<X>... Rest>
    requires(sizeof...(Rest) > 0 && shape_of<X>::value.type == element::float32)
  static X output(X, Rest...);
  static constexpr traits is{
      .in_place = true, .fuses = {activation::relu}, .passes_gradient = true, .takes_bfloat16 = true};

  static void forward(const forward_pass& pass) {
    const numbers y = pass.output_numbers();
    const bool acts = pass.activation_after() == activation::relu;
    const_numbers sum = pass.input_numbers(0);
    for (int i = 1; i < pass.inputs(); ++i) {
      const bool is_last = i + 1 == pass.inputs();
      detail::in_parts(std::array{sum, pass.input_numbers(i)}, y, grain_of_numbers,
                       [acts = acts && is_last](const auto& x, float* to, std::size_t, std::size_t count) {
                         const float *const a = x[0], *const b = x[1];
                         if (acts)
                           in_lanes(0, count, [=](std::size_t k) { to[k] = a[k] + b[k] <= 0 ? 0.0f : a[k] + b[k]; });
                         else
                           in_lanes(0, count, [=](std::size_t k) { to[k] = a[k] + b[k]; });
                       });
      sum = {y.data, y.size, y.type};
    }
  }
};

}  // namespace remat::nn

REMAT_COMPILED_KERNELS(add)
