// SPDX-License-Identifier: MIT
// A U-Net (Ronneberger et al. 2015): long skips from the way down to the way up, and a class for every pixel.
#include "list.hpp"

#include <remat/model/tag.hpp>
#include <remat/nn/batch_norm2d.hpp>
#include <remat/nn/concat.hpp>
#include <remat/nn/conv2d.hpp>
#include <remat/nn/conv_transpose2d.hpp>
#include <remat/nn/log_softmax.hpp>
#include <remat/nn/max_pool2d.hpp>
#include <remat/nn/nll_loss.hpp>
#include <remat/nn/relu.hpp>
#include <remat/nn/upsample_bilinear.hpp>

namespace networks {
namespace unet_parts {

namespace nn = remat::nn;
using remat::image, remat::named, remat::sequential;

// clang-format off
template <std::size_t In, std::size_t Out>
using twice = sequential<
    nn::conv2d<In, Out, 3, nn::window{.padding = 1}, nn::bias::without>, nn::batch_norm2d<Out>, nn::relu,
    nn::conv2d<Out, Out, 3, nn::window{.padding = 1}>, nn::relu>;
template <class Bottom>
using net = sequential<
    named<"down1", twice<3, 5>>, remat::tag<"wide">, nn::max_pool2d<2>,                          // (5, 6, 4)
    named<"down2", twice<5, 7>>, remat::tag<"narrow">, nn::max_pool2d<2>,                        // (7, 3, 2)
    named<"middle", Bottom>,                                                                     // (9, 3, 2)
    named<"up2", nn::conv_transpose2d<9, 7, 2, nn::window{.stride = 2}>>, remat::join<"narrow", nn::concat>,           // (14, 6, 4)
    named<"mix2", twice<14, 7>>,
    nn::upsample_bilinear<2>, named<"up1", nn::conv2d<7, 5, 1>>, remat::join<"wide", nn::concat>,  // (10, 12, 8)
    named<"mix1", twice<10, 5>>,
    named<"head", nn::conv2d<5, 4, 1>>, nn::log_softmax>;
// clang-format on

}  // namespace unet_parts

network unet() {
  using namespace unet_parts;
  return {.name = "unet",
          .lower = &lowered<net<twice<7, 9>>, image<float, 3, 12, 8>, nn::nll_loss>,
          .microbatch = 3,
          .classes = 4,
          .as_types = {{"the bottom",
                        &lowered<net<remat::checkpoint<twice<7, 9>>>, image<float, 3, 12, 8>, nn::nll_loss>,
                        {remat::checkpoint_at("middle")}}}};
}

}  // namespace networks
