// SPDX-License-Identifier: MIT
/// Mean over windows of KH x KW. A border counts as zeros, as PyTorch's default `count_include_pad=True` has it.
/// Backward reads nothing.
#pragma once

#include <remat/core/module.hpp>
#include <remat/nn/pooling_window.hpp>
#include <remat/nn/resampling.hpp>

#include <cstddef>
#include <string_view>

namespace remat::nn {
namespace detail {

inline axis axis_of_windows(const axis_numbers& a, std::size_t inputs, std::size_t outputs) {
  axis made(inputs);
  for (std::size_t o = 0; o < outputs; ++o) {
    const std::size_t begin = o * a.stride, end = begin + a.size;  // of the padded image
    const std::size_t first = begin < a.padding ? 0 : begin - a.padding;
    const std::size_t last = end - a.padding < inputs ? end - a.padding : inputs;
    made.add(first, last, 1 / static_cast<float>(a.size));
  }
  return made;
}

template <window Over>
struct averages_have_no_dilation {
  static constexpr bool holds = true;
  static_assert(Over.dilation == 1, "remat: a pooling by averages has no dilation, as in PyTorch; leave it out");
};

}  // namespace detail

/// PyTorch's `AvgPool2d(Kernel, stride, padding)`; takes images (C, H, W). The kernel is one number or `extents{3, 5}`,
/// and the stride where none is given.
template <extents Kernel, window Over = window{}>
struct avg_pool2d : detail::resamples {
 private:
  static constexpr window over = detail::with_stride(Over, Kernel);
  static_assert(detail::pooling_window<Kernel, over>::holds);
  static_assert(detail::averages_have_no_dilation<over>::holds);

 public:
  static constexpr std::string_view kind = "avg_pool2d";
  template <std::size_t C, std::size_t H, std::size_t W>
    requires(detail::holds_kernel({H, W}, Kernel, over))
  static image<float, C, detail::places({H, W}, Kernel, over).height, detail::places({H, W}, Kernel, over).width>
      output(image<float, C, H, W>);
  static constexpr double flops(tensor_shapes, tensor_shapes outputs) {
    return static_cast<double>(outputs[0].elements() * Kernel.area());
  }

  static constexpr detail::resampling_attributes attributes{&detail::axis_of_windows, Kernel, over.stride,
                                                            over.padding};
  using kernels = detail::resampling_kernels;
};

}  // namespace remat::nn
