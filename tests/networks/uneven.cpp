// SPDX-License-Identifier: MIT
// Kernels, strides, paddings and dilations of two extents, and normalisation by other numbers than the defaults.
#include "list.hpp"

#include <remat/nn/avg_pool2d.hpp>
#include <remat/nn/batch_norm2d.hpp>
#include <remat/nn/conv2d.hpp>
#include <remat/nn/conv_transpose2d.hpp>
#include <remat/nn/flatten.hpp>
#include <remat/nn/layer_norm.hpp>
#include <remat/nn/linear.hpp>
#include <remat/nn/log_softmax.hpp>
#include <remat/nn/max_pool2d.hpp>
#include <remat/nn/nll_loss.hpp>
#include <remat/nn/relu.hpp>

namespace networks {
namespace uneven_parts {

namespace nn = remat::nn;
using nn::extents, nn::window;
using remat::image, remat::named, remat::sequential;

// clang-format off
using net = sequential<
    named<"stem", nn::conv2d<4, 12, extents{1, 3}, window{.stride = {2, 1}, .padding = {0, 2}, .dilation = {1, 2}}>>,
    nn::relu,                                                                                              // (12, 7, 11)
    named<"middle", sequential<
        nn::conv2d<12, 16, extents{5, 2}, window{.padding = {2, 1}, .groups = 2}, nn::bias::without>,      // (16, 7, 12)
        nn::batch_norm2d<16, nn::batch_norm_options{.epsilon = 1e-3, .momentum = 0.05}>, nn::relu,
        nn::max_pool2d<extents{3, 2}, window{.stride = {2, 1}, .padding = {1, 0}, .dilation = {1, 2}}>>>,  // (16, 4, 10)
    nn::conv2d<16, 16, extents{3, 1}, window{.padding = {1, 0}}>, nn::relu,
    nn::avg_pool2d<extents{1, 2}, window{.stride = {1, 2}}>,                                               // (16, 4, 5)
    named<"up", nn::conv_transpose2d<
        16, 6, extents{3, 2},
        window{.stride = {2, 1}, .output_padding = {1, 0}, .dilation = {1, 2}, .groups = 2}>>,             // (6, 10, 7)
    nn::max_pool2d<extents{5, 7}>, nn::flatten,                                                            // (12)
    nn::linear<12, 9>, named<"norm", nn::layer_norm<9, nn::norm_options{.epsilon = 1e-2}>>, nn::linear<9, 6>, nn::log_softmax>;
// clang-format on

}  // namespace uneven_parts

network uneven() {
  using namespace uneven_parts;
  return {
      .name = "uneven", .lower = &lowered<net, image<float, 4, 13, 11>, nn::nll_loss>, .microbatch = 4, .classes = 6};
}

}  // namespace networks
