// SPDX-License-Identifier: MIT
// A class for every pixel, from logits.
#include "list.hpp"

#include <remat/nn/conv2d.hpp>
#include <remat/nn/cross_entropy.hpp>
#include <remat/nn/softmax.hpp>

namespace nn = remat::nn;
using remat::named, remat::sequential, remat::tensor;

// clang-format off
using net = sequential<named<"stem", nn::conv2d<3, 9, 3, 2, 1>>, nn::softmax, nn::conv2d<9, 5, 1>>;
// clang-format on

networks::network networks::pixel_logits() {
  return {.name = "pixel_logits",
          .lower = &lowered<net, tensor<float, 3, 9, 7>, nn::cross_entropy>,
          .microbatch = 3,
          .classes = 5};
}
