// SPDX-License-Identifier: MIT
/// What a pooling's window must be.
#pragma once

#include <remat/nn/window.hpp>

namespace remat::nn::detail {

template <extents Kernel, window Over>
struct pooling_window {
  static constexpr bool holds = true;
  static_assert(Kernel.are_at_least(1) && Over.stride.are_at_least(1) && Over.dilation.are_at_least(1),
                "remat: a pooling's window, step and dilation are at least 1; give it larger ones");
  static_assert(2 * Over.padding.height <= Kernel.height && 2 * Over.padding.width <= Kernel.width &&
                    Over.padding.are_at_least(0),
                "remat: a pooling's padding is from 0 to half of its window, as in PyTorch; give it such a number");
  static_assert(Over.output_padding == 0 && Over.groups == 1,
                "remat: a pooling has neither groups nor an output padding; leave them out");
};

}  // namespace remat::nn::detail
