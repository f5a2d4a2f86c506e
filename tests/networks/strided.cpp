// SPDX-License-Identifier: MIT
// Steps of two, borders, overlapping windows, negative maxima at a border, layers without bias, and relus with nothing
// before them to fuse with.
#include "list.hpp"

#include <remat/nn/conv2d.hpp>
#include <remat/nn/flatten.hpp>
#include <remat/nn/linear.hpp>
#include <remat/nn/log_softmax.hpp>
#include <remat/nn/max_pool2d.hpp>
#include <remat/nn/nll_loss.hpp>
#include <remat/nn/relu.hpp>

namespace networks {
namespace strided_parts {

namespace nn = remat::nn;
using nn::bias;
using remat::image, remat::named, remat::sequential;

// clang-format off
using net = sequential<
    named<"stem", nn::conv2d<3, 16, 3, nn::window{.stride = 2, .padding = 1}, bias::without>>, nn::max_pool2d<3, nn::window{.stride = 2, .padding = 1}>, nn::relu,  // (16, 9, 8)
    named<"middle", sequential<nn::conv2d<16, 24, 5, nn::window{.padding = 2}>, nn::relu, nn::max_pool2d<3, nn::window{.stride = 2}>>>,     // (24, 4, 3)
    nn::conv2d<24, 20, 3, nn::window{.stride = 2, .padding = 1}>, nn::flatten, nn::relu,                                           // (80)
    named<"narrow", nn::linear<80, 40, bias::without>>, nn::relu,
    nn::linear<40, 7>, nn::log_softmax>;
// clang-format on

}  // namespace strided_parts

network strided() {
  using namespace strided_parts;
  return {
      .name = "strided", .lower = &lowered<net, image<float, 3, 33, 31>, nn::nll_loss>, .microbatch = 3, .classes = 7};
}

}  // namespace networks
