// SPDX-License-Identifier: MIT
// Batch norm before relus and alone, inside of checkpoints and of residuals; convolutions that are depthwise, dilated
// and in groups, and whose gradients are added; means over windows and over bins.
#include "list.hpp"

#include <remat/model/parallel.hpp>
#include <remat/nn/adaptive_avg_pool2d.hpp>
#include <remat/nn/add.hpp>
#include <remat/nn/avg_pool2d.hpp>
#include <remat/nn/batch_norm2d.hpp>
#include <remat/nn/conv2d.hpp>
#include <remat/nn/flatten.hpp>
#include <remat/nn/linear.hpp>
#include <remat/nn/log_softmax.hpp>
#include <remat/nn/nll_loss.hpp>
#include <remat/nn/relu.hpp>

namespace networks {
namespace normed_parts {

namespace nn = remat::nn;
using remat::image, remat::named, remat::sequential;

// clang-format off
using net = sequential<
    named<"stem", nn::conv2d<3, 10, 3, nn::window{.stride = 2, .padding = 1}, nn::bias::without>>, nn::batch_norm2d<10>, nn::relu,  // (10, 10, 9)
    named<"middle", sequential<
        nn::conv2d<10, 10, 3, nn::window{.padding = 1, .groups = 10}>, nn::relu,
        nn::conv2d<10, 32, 1, nn::window{}, nn::bias::without>, nn::batch_norm2d<32>, nn::relu>>,  // (32, 10, 9)
    named<"block", remat::residual<
        sequential<nn::conv2d<32, 32, 3, nn::window{.padding = 2, .dilation = 2, .groups = 4}, nn::bias::without>, nn::batch_norm2d<32>, nn::relu,
                   nn::conv2d<32, 32, 3, nn::window{.padding = 1}, nn::bias::without>, nn::batch_norm2d<32>>,
        remat::identity, sequential<nn::add, nn::relu>>>,
    named<"narrow", remat::residual<
        sequential<nn::conv2d<32, 32, 1, nn::window{}, nn::bias::without>, nn::batch_norm2d<32>>>>,
    nn::avg_pool2d<3, nn::window{.stride = 2, .padding = 1}>, nn::conv2d<32, 24, 3, nn::window{.stride = 2, .padding = 2, .dilation = 2, .groups = 2}, nn::bias::without>, nn::batch_norm2d<24>,  // (24, 3, 3)
    named<"last", remat::residual<sequential<nn::conv2d<24, 24, 3, nn::window{.padding = 1}>>>>,
    nn::adaptive_avg_pool2d<2, 1>, nn::flatten, nn::linear<48, 6>, nn::log_softmax>;
// clang-format on

}  // namespace normed_parts

network normed() {
  using namespace normed_parts;
  return {
      .name = "normed", .lower = &lowered<net, image<float, 3, 19, 18>, nn::nll_loss>, .microbatch = 3, .classes = 6};
}

}  // namespace networks
