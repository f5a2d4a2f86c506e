// SPDX-License-Identifier: MIT
// Blocks within sequentials within sequentials, for checkpoints three deep; a strided convolution; dropout inside.
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
namespace nested_parts {

namespace nn = remat::nn;
using remat::image, remat::named, remat::sequential;

struct mixing : remat::module {
  using body = sequential<nn::conv2d<8, 8, 3, nn::window{.padding = 1}>, nn::dropout<>,
                          nn::conv2d<8, 8, 3, nn::window{.padding = 1}>, nn::relu>;
};
// clang-format off
using net = sequential<
    named<"stem", nn::conv2d<3, 8, 3, nn::window{.stride = 2, .padding = 1}>>, nn::max_pool2d<3, nn::window{.stride = 2, .padding = 1}>, nn::relu,
    named<"middle", sequential<
        named<"a", mixing>,
        named<"b", sequential<mixing, nn::dropout<>, mixing>>,
        named<"c", sequential<mixing, mixing>>>>,
    nn::flatten, nn::linear<128, 7, nn::bias::without>, nn::log_softmax>;
// clang-format on

}  // namespace nested_parts

network nested() {
  using namespace nested_parts;
  return {.name = "nested",
          .lower = &lowered<net, image<float, 3, 16, 16>, nn::nll_loss>,
          .microbatch = 3,
          .classes = 7,
          .chain = "middle"};
}

}  // namespace networks
