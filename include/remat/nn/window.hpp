// SPDX-License-Identifier: MIT
/// How the window of a convolution or a pooling moves over an image; the names and defaults are PyTorch's.
///
///     conv2d<3, 64, 7, window{.stride = 2, .padding = 3}>
///     conv2d<64, 64, 3, window{.padding = 1, .groups = 64}, bias::without>      depthwise
///     max_pool2d<3, window{.stride = 2, .padding = 1}>
///     conv_transpose2d<64, 32, 3, window{.stride = 2, .padding = 1, .output_padding = 1}>
///
/// A layer refuses what it does not have: only a convolution has groups, only a transposed one an output padding, and a
/// pooling by averages no dilation.
#pragma once

#include <remat/nn/extents.hpp>

#include <cstddef>

namespace remat::nn {

/// The stride where none is given: 1, and a pooling's kernel.
inline constexpr extents default_stride{~std::size_t{0} - 1};

struct window {
  extents stride = default_stride;
  extents padding = 0;         ///< before the first row and column, and after the last
  extents output_padding = 0;  ///< rows and columns more after the last, of a transposed convolution
  extents dilation = 1;        ///< the distance of neighbours in the window
  std::size_t groups = 1;      ///< of channels that see no others

  constexpr bool operator==(const window&) const = default;
};

namespace detail {

constexpr window with_stride(window w, extents where_none_is_given) {
  if (w.stride == default_stride) w.stride = where_none_is_given;
  return w;
}

/// Channels of one group; of 0 groups, which a rule refuses, as of one.
constexpr std::size_t per_group(std::size_t channels, const window& w) {
  return channels / (w.groups > 0 ? w.groups : 1);
}
constexpr bool groups_divide(std::size_t channels, const window& w) { return w.groups > 0 && channels % w.groups == 0; }

/// Of a kernel, after its first element.
constexpr extents reach(extents kernel, extents dilation) {
  return {dilation.height * (kernel.height - 1), dilation.width * (kernel.width - 1)};
}

/// Whether an image holds the kernel at least once.
constexpr bool holds_kernel(extents image, extents kernel, const window& w) {
  const extents after_first = reach(kernel, w.dilation);
  return image.height + 2 * w.padding.height > after_first.height &&
         image.width + 2 * w.padding.width > after_first.width;
}

/// How many places in an image the kernel takes.
constexpr extents places(extents image, extents kernel, const window& w) {
  const extents after_first = reach(kernel, w.dilation);
  return {(image.height + 2 * w.padding.height - after_first.height - 1) / w.stride.height + 1,
          (image.width + 2 * w.padding.width - after_first.width - 1) / w.stride.width + 1};
}

/// The image that a transposed convolution gives, and before its padding is cut off.
constexpr extents transposed_with_padding(extents image, extents kernel, const window& w) {
  const extents after_first = reach(kernel, w.dilation);
  return {(image.height - 1) * w.stride.height + after_first.height + w.output_padding.height + 1,
          (image.width - 1) * w.stride.width + after_first.width + w.output_padding.width + 1};
}
constexpr extents transposed(extents image, extents kernel, const window& w) {
  const extents whole = transposed_with_padding(image, kernel, w);
  return {whole.height - 2 * w.padding.height, whole.width - 2 * w.padding.width};
}

}  // namespace detail
}  // namespace remat::nn
