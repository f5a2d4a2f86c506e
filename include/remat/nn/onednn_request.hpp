// SPDX-License-Identifier: MIT
/// What a module asks of a primitive in addition to its tensors, in remat's words. onednn.hpp says it in oneDNN's.
#pragma once

#include <remat/core/activation.hpp>
#include <remat/nn/extents.hpp>

#include <array>
#include <cstdint>

namespace remat::onednn {

using extent = std::int64_t;

/// What a primitive does in addition to its operation.
struct extras {
  bool adds_to_destination = false;
  activation after = activation::none;  ///< applied to the result
};

/// How a window moves over an image, in rows and columns. The padding at the end may be negative: rows that no window
/// reaches.
struct window {
  using pair = std::array<extent, 2>;

  pair kernel, stride, padding_before, padding_after;
  pair gaps;  ///< between neighbours in the window: the dilation less 1

  window(const nn::extents& k, const nn::extents& step, const nn::extents& padding, pair after,
         const nn::extents& dilation = 1)
      : kernel(of(k)),
        stride(of(step)),
        padding_before(of(padding)),
        padding_after(after),
        gaps{extent(dilation.height) - 1, extent(dilation.width) - 1} {}

  static pair of(const nn::extents& e) { return {extent(e.height), extent(e.width)}; }
};

/// A function of one number, applied to each element.
enum class function { tanh, sigmoid, gelu_by_tanh };

}  // namespace remat::onednn
