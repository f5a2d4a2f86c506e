// SPDX-License-Identifier: MIT
// Images: fused and lone activations, branches joined along the channels, a squeeze-and-excitation, a norm of each pixel,
// and a target of float of the output's shape.
#include "list.hpp"

#include <remat/model/parallel.hpp>
#include <remat/nn/adaptive_avg_pool2d.hpp>
#include <remat/nn/concat.hpp>
#include <remat/nn/conv2d.hpp>
#include <remat/nn/gelu.hpp>
#include <remat/nn/layer_norm.hpp>
#include <remat/nn/mse_loss.hpp>
#include <remat/nn/relu.hpp>
#include <remat/nn/scale_channels.hpp>
#include <remat/nn/sigmoid.hpp>
#include <remat/nn/silu.hpp>
#include <remat/nn/softmax.hpp>
#include <remat/nn/tanh.hpp>

namespace networks {
namespace channels_parts {

namespace nn = remat::nn;
using remat::image, remat::named, remat::sequential;

// clang-format off
using net = sequential<
    named<"stem", nn::conv2d<3, 7, 3, nn::window{.padding = 1}>>, nn::tanh,
    named<"wide", remat::parallel<nn::concat,
        sequential<nn::conv2d<7, 5, 1>, nn::sigmoid>, sequential<nn::conv2d<7, 4, 3, nn::window{.padding = 1}>, nn::silu>, nn::softmax>>,
    named<"middle", sequential<nn::gelu, named<"mix", nn::conv2d<16, 6, 3, nn::window{.padding = 1}>>, nn::sigmoid>>, nn::tanh,
    named<"excite", remat::residual<
        sequential<nn::adaptive_avg_pool2d<1>, nn::conv2d<6, 2, 1>, nn::relu, nn::conv2d<2, 6, 1>, nn::sigmoid>,
        remat::identity, nn::scale_channels>>,
    named<"norm", nn::layer_norm<6>>,
    named<"out", nn::conv2d<6, 3, 3, nn::window{.padding = 1}>>>;
// clang-format on

}  // namespace channels_parts

network channels() {
  using namespace channels_parts;
  return {.name = "channels", .lower = &lowered<net, image<float, 3, 9, 7>, nn::mse_loss>, .microbatch = 3};
}

}  // namespace networks
