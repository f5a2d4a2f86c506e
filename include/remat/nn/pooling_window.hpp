// SPDX-License-Identifier: MIT
/// What a pooling's window must be.
#pragma once

#include <remat/core/language.hpp>

#include <cstddef>

namespace remat::nn::detail {

template <std::size_t K, std::size_t Stride, std::size_t Padding>
struct pooling_window {
  static constexpr bool holds = true;
  static_assert(K > 0 && Stride > 0, "remat: a pooling's window and step are at least 1; give it larger ones");
  static_assert(2 * Padding <= K,
                "remat: a pooling's padding is at most half of its window, as in PyTorch; make it smaller");
};

}  // namespace remat::nn::detail
