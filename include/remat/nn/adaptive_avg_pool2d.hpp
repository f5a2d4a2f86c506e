// SPDX-License-Identifier: MIT
/// Mean over bins, H x W of them whatever the image: along an axis of n inputs and m outputs, output o is the mean of
/// the inputs from floor(o n / m) to ceil((o + 1) n / m) - 1. `adaptive_avg_pool2d<1>` is global pooling. Backward
/// reads nothing.
#pragma once

#include <remat/core/module.hpp>
#include <remat/nn/resampling.hpp>

#include <cstddef>
#include <string_view>

namespace remat::nn {
namespace detail {

inline axis axis_of_bins(const axis_numbers&, std::size_t inputs, std::size_t outputs) {
  axis made(inputs);
  for (std::size_t o = 0; o < outputs; ++o) {
    const std::size_t first = o * inputs / outputs, last = ((o + 1) * inputs + outputs - 1) / outputs;
    made.add(first, last, 1 / static_cast<float>(last - first));
  }
  return made;
}

template <std::size_t H, std::size_t W>
struct adaptive_pooling_size {
  static constexpr bool holds = true;
  static_assert(H > 0 && W > 0, "remat: an adaptive pooling gives at least one row and one column; ask for more");
};

}  // namespace detail

/// PyTorch's `AdaptiveAvgPool2d((H, W))`; takes (C, any height, any width).
template <std::size_t H, std::size_t W = H>
struct adaptive_avg_pool2d : detail::resamples {
  static_assert(detail::adaptive_pooling_size<H, W>::holds);

  static constexpr std::string_view kind = "adaptive_avg_pool2d";
  template <std::size_t C, std::size_t Height, std::size_t Width>
  static image<float, C, H, W> output(image<float, C, Height, Width>);
  static constexpr double flops(tensor_shapes inputs, tensor_shapes) {
    return static_cast<double>(inputs[0].elements());
  }

  static constexpr detail::resampling_attributes attributes{&detail::axis_of_bins};
  using kernels = detail::resampling_kernels;
};

}  // namespace remat::nn
