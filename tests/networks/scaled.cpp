// SPDX-License-Identifier: MIT
// Transposed convolutions and upsampling, means over windows with gaps between them, a class for every pixel.
#include "list.hpp"

#include <remat/nn/adaptive_avg_pool2d.hpp>
#include <remat/nn/avg_pool2d.hpp>
#include <remat/nn/conv2d.hpp>
#include <remat/nn/conv_transpose2d.hpp>
#include <remat/nn/log_softmax.hpp>
#include <remat/nn/nll_loss.hpp>
#include <remat/nn/relu.hpp>
#include <remat/nn/upsample_bilinear.hpp>
#include <remat/nn/upsample_nearest.hpp>

namespace networks {
namespace scaled_parts {

namespace nn = remat::nn;
using remat::image, remat::named, remat::sequential;

// clang-format off
using net = sequential<
    named<"stem", nn::conv_transpose2d<4, 12, 3, nn::window{.stride = 2, .padding = 1, .output_padding = 1}>>, nn::relu,  // (12, 14, 12)
    named<"middle", sequential<nn::upsample_bilinear<2>, nn::conv2d<12, 8, 3, nn::window{.padding = 1}>, nn::relu>>,  // (8, 28, 24)
    nn::avg_pool2d<2, nn::window{.stride = 3}>,  // (8, 9, 8)
    nn::conv_transpose2d<8, 9, 2, nn::window{.stride = 2}, nn::bias::without>, nn::relu,  // (9, 18, 16)
    sequential<nn::upsample_nearest<3>, nn::adaptive_avg_pool2d<7, 5>>,  // (9, 7, 5)
    nn::conv_transpose2d<9, 5, 3, nn::window{.padding = 1}>, nn::log_softmax>;
// clang-format on

}  // namespace scaled_parts

network scaled() {
  using namespace scaled_parts;
  return {.name = "scaled", .lower = &lowered<net, image<float, 4, 7, 6>, nn::nll_loss>, .microbatch = 3, .classes = 5};
}

}  // namespace networks
