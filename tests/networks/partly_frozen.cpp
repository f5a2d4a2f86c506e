// SPDX-License-Identifier: MIT
// Parts that are not trained: the first layers and one in the middle by type, another by path.
#include "list.hpp"

#include <remat/nn/conv2d.hpp>
#include <remat/nn/flatten.hpp>
#include <remat/nn/linear.hpp>
#include <remat/nn/log_softmax.hpp>
#include <remat/nn/nll_loss.hpp>
#include <remat/nn/relu.hpp>
#include <remat/nn/tanh.hpp>

namespace networks {
namespace partly_frozen_parts {

namespace nn = remat::nn;
using remat::frozen, remat::image, remat::named, remat::sequential;

// clang-format off
using net = sequential<
    named<"stem", frozen<sequential<nn::conv2d<2, 5, 3>, nn::relu>>>,                  // (5, 7, 5)
    named<"middle", sequential<
        nn::conv2d<5, 6, 3, nn::window{.padding = 1}>, nn::relu,
        frozen<nn::conv2d<6, 5, 3, nn::window{.padding = 1}>>, nn::tanh,
        named<"late", sequential<nn::conv2d<5, 4, 3>, nn::relu>>>>,                    // (4, 5, 3)
    nn::flatten, frozen<nn::linear<60, 20>>, nn::tanh, nn::linear<20, 6>, nn::log_softmax>;
// clang-format on

}  // namespace partly_frozen_parts

network partly_frozen() {
  using namespace partly_frozen_parts;
  return {.name = "partly_frozen",
          .lower = &lowered<net, image<float, 2, 9, 7>, nn::nll_loss>,
          .microbatch = 5,
          .classes = 6,
          .frozen = {"middle.late"},
          .not_trained = {"stem.0.weight", "stem.0.bias", "middle.2.weight", "middle.2.bias", "middle.late.0.weight",
                          "middle.late.0.bias", "3.weight", "3.bias"}};
}

}  // namespace networks
