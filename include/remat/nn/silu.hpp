// SPDX-License-Identifier: MIT
/// The sigmoid linear unit, or swish: y = x / (1 + exp(-x)). Backward reads the input; both halves are oneDNN's.
#pragma once

#include <remat/core/module.hpp>
#include <remat/nn/elementwise_function.hpp>

#include <string_view>

namespace remat::nn {

struct silu : module {
  static constexpr std::string_view kind = "silu";
  template <std::size_t... Extents>
  static tensor<float, Extents...> output(tensor<float, Extents...>);
  static constexpr reads backward_input_reads = reads::inputs;
  static constexpr bool in_place = true;
  static constexpr double flops(const tensor_shape& input, const tensor_shape&) {
    return 8.0 * static_cast<double>(input.elements());
  }

  using kernels = detail::function_kernels<onednn::function::silu>;
};

}  // namespace remat::nn
