// SPDX-License-Identifier: MIT
// A class for every pixel, from logits.
#include "list.hpp"

#include <remat/nn/conv2d.hpp>
#include <remat/nn/cross_entropy.hpp>
#include <remat/nn/softmax.hpp>

namespace networks {
namespace pixel_logits_parts {

namespace nn = remat::nn;
using remat::image, remat::named, remat::sequential;

// clang-format off
using net = sequential<named<"stem", nn::conv2d<3, 9, 3, nn::window{.stride = 2, .padding = 1}>>, nn::softmax, nn::conv2d<9, 5, 1>>;
// clang-format on

}  // namespace pixel_logits_parts

network pixel_logits() {
  using namespace pixel_logits_parts;
  return {.name = "pixel_logits",
          .lower = &lowered<net, image<float, 3, 9, 7>, nn::cross_entropy>,
          .microbatch = 3,
          .classes = 5};
}

}  // namespace networks
