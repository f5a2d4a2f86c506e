// SPDX-License-Identifier: MIT
/// The height and the width of a kernel, a stride, a padding or a dilation, as a template argument:
///
///     conv2d<16, 32, 3>                                                         3 x 3
///     conv2d<16, 32, extents{3, 5}>                                             3 rows, 5 columns, as in PyTorch
///     conv2d<16, 32, 3, window{.stride = {2, 1}, .padding = 1}>                 in a window, braces are enough
#pragma once

#include <remat/core/language.hpp>

#include <concepts>
#include <cstddef>

namespace remat::nn {

struct extents {
  std::size_t height = 0, width = 0;

  constexpr extents() = default;
  /// Both are the same.
  template <std::integral Number>
  constexpr extents(Number both) : extents(both, both) {}  // NOLINT(google-explicit-constructor): 3 means 3 x 3
  template <std::integral Height, std::integral Width>
  constexpr extents(Height h, Width w) : height(whole(h)), width(whole(w)) {}

  constexpr bool operator==(const extents&) const = default;
  constexpr std::size_t area() const { return height * width; }
  /// Whether both are from `least` to the largest number that layers take.
  constexpr bool are_at_least(std::size_t least) const { return holds(height, least) && holds(width, least); }

 private:
  /// A negative number becomes one that is too large, which a layer's law refuses in a sentence.
  template <class Number>
  static constexpr std::size_t whole(Number n) {
    if constexpr (std::signed_integral<Number>)
      if (n < 0) return ~std::size_t{0};
    return static_cast<std::size_t>(n);
  }
  static constexpr bool holds(std::size_t n, std::size_t least) { return n >= least && n <= 2'147'483'647; }
};

}  // namespace remat::nn
