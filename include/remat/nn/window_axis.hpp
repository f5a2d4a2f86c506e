// SPDX-License-Identifier: MIT
/// How the windows of a convolution move along one of an image's two extents, and what of it they cover.
#pragma once

#include <remat/core/language.hpp>

#include <algorithm>
#include <cstddef>

namespace remat::nn::detail {

/// The numbers [begin, end); none where these are the other way round.
struct index_range {
  std::size_t begin = 0, end = 0;

  std::size_t size() const { return end > begin ? end - begin : 0; }
};

/// Along the rows of x, or along the columns.
struct window_axis {
  std::size_t stride = 1, padding = 0;
  std::size_t reach = 0;  ///< of a window, after its first element

  /// The outputs whose windows are within `size` of x.
  index_range inner(std::size_t size, std::size_t outputs) const {
    if (size + padding <= reach) return {};
    return {(padding + stride - 1) / stride, std::min(outputs, (size + padding - reach - 1) / stride + 1)};
  }
  /// What the window of an output covers of `size` of x.
  index_range covered(std::size_t output, std::size_t size) const {
    const std::size_t first = output * stride, end = first + reach + 1;
    return {first > padding ? first - padding : 0, end > padding ? std::min(end - padding, size) : 0};
  }
  /// The outputs whose windows have an element within `size` of x at this distance from their first.
  index_range reaching(std::size_t offset, std::size_t size, std::size_t outputs) const {
    if (size + padding <= offset) return {};
    return {offset < padding ? (padding - offset + stride - 1) / stride : 0,
            std::min(outputs, (size + padding - offset - 1) / stride + 1)};
  }
  /// How far apart outputs may be whose windows, one next to the other, cover what all windows do.
  std::size_t step(std::size_t dilation) const {
    return dilation == 1 ? std::max((reach + 1) / stride, std::size_t{1}) : 1;
  }
};

}  // namespace remat::nn::detail
