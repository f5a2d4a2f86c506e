// SPDX-License-Identifier: MIT
/// What a convolution is, transposed or not, as a value, and its weights as oneDNN takes them.
#pragma once

#include <remat/nn/extents.hpp>
#include <remat/nn/onednn.hpp>
#include <remat/nn/window.hpp>

#include <cstddef>

namespace remat::nn::detail {

struct conv2d_attributes {
  std::size_t in, out;
  extents kernel;
  window over;
  bool has_bias;
};

/// Whether each channel is a group of its own, and has others next to it.
constexpr bool is_depthwise(std::size_t in, std::size_t out, std::size_t groups) {
  return groups > 1 && groups == in && groups == out;
}

/// Weights as oneDNN takes them, from `in` to `out` channels.
inline onednn::layout weights_layout(const conv2d_attributes& a, std::size_t in, std::size_t out, bool any) {
  using onednn::layout;
  const auto make = any ? &layout::chosen : &layout::row_major;
  const std::size_t groups = a.over.groups;
  return groups == 1 ? make({out, in, a.kernel.height, a.kernel.width})
                     : make({groups, out / groups, in / groups, a.kernel.height, a.kernel.width});
}

}  // namespace remat::nn::detail
