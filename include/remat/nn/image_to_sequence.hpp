// SPDX-License-Identifier: MIT
/// The pixels of an image as rows: (C, H, W) becomes (H W, C), as it is in memory already, channels-last. Vision
/// transformers do it with patches. Backward reads nothing.
#pragma once

#include <remat/core/module.hpp>

#include <cstddef>
#include <cstring>
#include <string_view>

namespace remat::nn {

/// PyTorch's `x.flatten(2).transpose(1, 2)`; takes images.
struct image_to_sequence : module {
  static constexpr std::string_view kind = "image_to_sequence";
  template <std::size_t C, std::size_t H, std::size_t W>
  static tensor<float, H * W, C> output(image<float, C, H, W>);
  static constexpr traits is{.in_place = true};

  static void forward(const forward_pass& pass) {
    const std::span<const float> x = pass.input();
    if (x.data() != pass.output().data()) std::memcpy(pass.output().data(), x.data(), x.size_bytes());
  }
  static void backward_input(const backward_pass& pass) {
    const float* const dy = pass.output_gradient().data();
    const destination dx = pass.input_gradient();
    if (dx.data() != dy) dx.assign([=](std::size_t i) { return dy[i]; });
  }
};

}  // namespace remat::nn

REMAT_COMPILED_KERNELS(image_to_sequence)
