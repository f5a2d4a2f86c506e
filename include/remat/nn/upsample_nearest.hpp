// SPDX-License-Identifier: MIT
/// An image Scale times as high and wide, in which every pixel is repeated. Backward reads nothing.
#pragma once

#include <remat/core/module.hpp>
#include <remat/nn/resampling.hpp>

#include <cstddef>
#include <string_view>

namespace remat::nn {
namespace detail {

inline axis axis_of_repeats(const axis_numbers& a, std::size_t inputs, std::size_t outputs) {
  axis made(inputs);
  for (std::size_t o = 0; o < outputs; ++o) made.add(o / a.size, o / a.size + 1, 1);
  return made;
}

template <std::size_t Scale>
struct upsampling_scale {
  static constexpr bool holds = true;
  static_assert(extents(Scale).are_at_least(1),
                "remat: an upsampling's scale is at least 1, and no number beyond 2^31 - 1; "
                "give it another one");
};

}  // namespace detail

/// PyTorch's `Upsample(scale_factor=Scale, mode="nearest")`; takes images (C, H, W).
template <std::size_t Scale>
struct upsample_nearest : detail::resamples {
  static_assert(detail::upsampling_scale<Scale>::holds);

  static constexpr std::string_view kind = "upsample_nearest";
  template <std::size_t C, std::size_t H, std::size_t W>
  static image<float, C, H * Scale, W * Scale> output(image<float, C, H, W>);

  static constexpr detail::resampling_attributes attributes{&detail::axis_of_repeats, Scale};
  using kernels = detail::resampling_kernels;
};

}  // namespace remat::nn
