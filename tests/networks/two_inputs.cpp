// SPDX-License-Identifier: MIT
// Two inputs, each for a branch of its own: an image and a row of numbers.
#include "list.hpp"

#include <remat/nn/conv2d.hpp>
#include <remat/nn/flatten.hpp>
#include <remat/nn/linear.hpp>
#include <remat/nn/log_softmax.hpp>
#include <remat/nn/max_pool2d.hpp>
#include <remat/nn/nll_loss.hpp>
#include <remat/nn/relu.hpp>
#include <remat/nn/tanh.hpp>

namespace networks {
namespace two_inputs_parts {

namespace nn = remat::nn;
using remat::image, remat::named, remat::sequential, remat::tensor, remat::tensors;

// clang-format off
using net = sequential<
    remat::parallel<nn::add,
        named<"seen", sequential<
            remat::pick<0>, nn::conv2d<3, 6, 3>, nn::relu, nn::max_pool2d<2>, nn::flatten, nn::linear<36, 12>, nn::tanh>>,
        named<"told", sequential<remat::pick<1>, nn::linear<11, 15>, nn::tanh, nn::linear<15, 12>, nn::relu>>>,
    named<"middle", sequential<nn::linear<12, 12>, nn::relu, nn::linear<12, 9>, nn::tanh>>,
    nn::linear<9, 5>, nn::log_softmax>;
// clang-format on

}  // namespace two_inputs_parts

network two_inputs() {
  using namespace two_inputs_parts;
  return {.name = "two_inputs",
          .lower = &lowered<net, tensors<image<float, 3, 9, 7>, tensor<float, 11>>, nn::nll_loss>,
          .microbatch = 5,
          .classes = 5};
}

}  // namespace networks
