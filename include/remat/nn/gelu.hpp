// SPDX-License-Identifier: MIT
/// The Gaussian error linear unit (Hendrycks, Gimpel 2016). Backward reads the input.
///
///     gelu<>                            y = x (1 + erf(x / sqrt(2))) / 2
///     gelu<gelu_approximation::tanh>    y = x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2
///
/// Both halves are oneDNN's.
#pragma once

#include <remat/core/module.hpp>
#include <remat/nn/elementwise_function.hpp>

#include <string_view>

namespace remat::nn {

enum class gelu_approximation { none, tanh };

/// PyTorch's `GELU(approximate=...)`.
template <gelu_approximation Approximation = gelu_approximation::none>
struct gelu : module {
  static constexpr std::string_view kind = "gelu";
  template <std::size_t... Extents>
  static tensor<float, Extents...> output(tensor<float, Extents...>);
  static constexpr reads backward_input_reads = reads::inputs;
  static constexpr bool in_place = true;
  static constexpr double flops(const tensor_shape& input, const tensor_shape&) {
    return 10.0 * static_cast<double>(input.elements());
  }

  using kernels = detail::function_kernels<Approximation == gelu_approximation::tanh ? onednn::function::gelu_by_tanh
                                                                                     : onednn::function::gelu>;
};

}  // namespace remat::nn
