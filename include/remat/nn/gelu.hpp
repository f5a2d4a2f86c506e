// SPDX-License-Identifier: MIT
/// The Gaussian error linear unit (Hendrycks, Gimpel 2016). Backward reads the input.
///
///     gelu         y = x (1 + erf(x / sqrt(2))) / 2
///     gelu_tanh    y = x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2
///
/// Both halves are oneDNN's.
#pragma once

#include <remat/core/module.hpp>
#include <remat/nn/elementwise_function.hpp>

#include <string_view>

namespace remat::nn {

namespace detail {

template <onednn::function Function>
struct gelu_module : module {
  static constexpr std::string_view kind = "gelu";
  template <std::size_t... Extents>
  static tensor<float, Extents...> output(tensor<float, Extents...>);
  static constexpr reads backward_input_reads = reads::inputs;
  static constexpr bool in_place = true;
  static constexpr double flops(const tensor_shape& input, const tensor_shape&) {
    return 10.0 * static_cast<double>(input.elements());
  }

  using kernels = function_kernels<Function>;
};

}  // namespace detail

/// PyTorch's `GELU()`.
struct gelu : detail::gelu_module<onednn::function::gelu> {};
/// PyTorch's `GELU(approximate="tanh")`.
struct gelu_tanh : detail::gelu_module<onednn::function::gelu_by_tanh> {};

}  // namespace remat::nn
