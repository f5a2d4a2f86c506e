// SPDX-License-Identifier: MIT
/// The shape law of layers that take each element by itself: what comes out has the extents and the layout of what went
/// in, image or tensor.
#pragma once

#include <remat/core/module.hpp>

#include <cstddef>

namespace remat::nn::detail {

/// (Two declarations: a concept of both would be instantiated for every shape.)
struct same_shape : module {
  template <std::size_t... Extents>
  static tensor<float, Extents...> output(tensor<float, Extents...>);
  template <std::size_t C, std::size_t H, std::size_t W>
  static image<float, C, H, W> output(image<float, C, H, W>);
};

}  // namespace remat::nn::detail
