// SPDX-License-Identifier: MIT
/// An image Scale times as high and wide, in which every pixel is interpolated between its four nearest. Pixels are
/// squares (PyTorch's `align_corners=False`): output o is at (o + 1/2) / Scale - 1/2 of the inputs, and at the border
/// on the border's pixel. Backward reads nothing.
#pragma once

#include <remat/core/module.hpp>
#include <remat/nn/resampling.hpp>
#include <remat/nn/upsample_nearest.hpp>

#include <cstddef>
#include <string_view>

namespace remat::nn {
namespace detail {

inline axis axis_of_interpolation(const axis_numbers& a, std::size_t inputs, std::size_t outputs) {
  axis made(inputs);
  for (std::size_t o = 0; o < outputs; ++o) {
    const double at = (static_cast<double>(o) + 0.5) / static_cast<double>(a.size) - 0.5;
    const std::size_t first = at < 0 ? 0 : static_cast<std::size_t>(at);
    if (at <= 0 || first + 1 == inputs) {
      made.add(first, first + 1, 1);
      continue;
    }
    const double share = at - static_cast<double>(first);
    made.add(first, {static_cast<float>(1 - share), static_cast<float>(share)});
  }
  return made;
}

}  // namespace detail

/// PyTorch's `Upsample(scale_factor=Scale, mode="bilinear")`; takes images (C, H, W).
template <std::size_t Scale>
struct upsample_bilinear : detail::resamples {
  static_assert(detail::upsampling_scale<Scale>::holds);

  static constexpr std::string_view kind = "upsample_bilinear";
  template <std::size_t C, std::size_t H, std::size_t W>
  static image<float, C, H * Scale, W * Scale> output(image<float, C, H, W>);
  static constexpr double flops(tensor_shapes, tensor_shapes outputs) {
    return 8.0 * static_cast<double>(outputs[0].elements());
  }

  static constexpr detail::resampling_attributes attributes{&detail::axis_of_interpolation, Scale};
  using kernels = detail::resampling_kernels;
};

}  // namespace remat::nn
