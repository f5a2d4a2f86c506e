// SPDX-License-Identifier: MIT
/// Mean over windows of K x K. A border counts as zeros, as PyTorch's default `count_include_pad=True` has it. Backward
/// reads nothing.
#pragma once

#include <remat/core/module.hpp>
#include <remat/nn/pooling_window.hpp>
#include <remat/nn/resampling.hpp>

#include <cstddef>
#include <string_view>

namespace remat::nn {
namespace detail {

inline axis axis_of_windows(const resampling_attributes& a, std::size_t inputs, std::size_t outputs) {
  axis made(inputs);
  for (std::size_t o = 0; o < outputs; ++o) {
    const std::size_t begin = o * a.stride, end = begin + a.size;  // behind the border
    const std::size_t first = begin < a.padding ? 0 : begin - a.padding;
    const std::size_t last = end - a.padding < inputs ? end - a.padding : inputs;
    made.add(first, last, 1 / static_cast<float>(a.size));
  }
  return made;
}

}  // namespace detail

/// PyTorch's `AvgPool2d(K, Stride, Padding)`; takes images (C, H, W). The step is K where none is given.
template <std::size_t K, std::size_t Stride = K, std::size_t Padding = 0>
struct avg_pool2d : module {
  static_assert(detail::pooling_window<K, Stride, Padding>::holds);

  static constexpr std::string_view kind = "avg_pool2d";
  template <std::size_t C, std::size_t H, std::size_t W>
    requires(H + 2 * Padding >= K && W + 2 * Padding >= K)
  static image<float, C, (H + 2 * Padding - K) / Stride + 1, (W + 2 * Padding - K) / Stride + 1> output(
      image<float, C, H, W>);
  static constexpr double flops(tensor_shapes, tensor_shapes outputs) {
    return static_cast<double>(outputs[0].elements()) * K * K;
  }

  static constexpr detail::resampling_attributes attributes{&detail::axis_of_windows, K, Stride, Padding};
  using kernels = detail::resampling_kernels;
};

}  // namespace remat::nn
