// SPDX-License-Identifier: MIT
// Dropout of images and of features, after a relu, a convolution, a linear layer and another dropout.
#include "list.hpp"

#include <remat/nn/conv2d.hpp>
#include <remat/nn/dropout.hpp>
#include <remat/nn/flatten.hpp>
#include <remat/nn/linear.hpp>
#include <remat/nn/log_softmax.hpp>
#include <remat/nn/max_pool2d.hpp>
#include <remat/nn/nll_loss.hpp>
#include <remat/nn/relu.hpp>

namespace networks {
namespace masked_parts {

namespace nn = remat::nn;
using remat::image, remat::named, remat::sequential;

// clang-format off
using net = sequential<
    nn::conv2d<1, 8, 3>, nn::relu, named<"drop1", nn::dropout<0.25>>, nn::max_pool2d<2>,  // (8, 7, 6)
    named<"middle", sequential<
        nn::conv2d<8, 12, 3>, named<"drop2", nn::dropout<0.1>>, nn::relu>>,             // (12, 5, 4)
    nn::flatten,
    sequential<nn::linear<240, 50>, nn::relu, named<"drop3", nn::dropout<>>>,
    named<"drop4", nn::dropout<1.0 / 3>>, nn::linear<50, 6>, nn::log_softmax>;
// clang-format on

}  // namespace masked_parts

network masked() {
  using namespace masked_parts;
  return {
      .name = "masked", .lower = &lowered<net, image<float, 1, 16, 15>, nn::nll_loss>, .microbatch = 5, .classes = 6};
}

}  // namespace networks
