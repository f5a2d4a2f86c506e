// SPDX-License-Identifier: MIT
// Example 01's.
#include "list.hpp"

#include <remat/nn/conv2d.hpp>
#include <remat/nn/flatten.hpp>
#include <remat/nn/linear.hpp>
#include <remat/nn/log_softmax.hpp>
#include <remat/nn/max_pool2d.hpp>
#include <remat/nn/nll_loss.hpp>
#include <remat/nn/relu.hpp>

namespace networks {
namespace example_01_parts {

namespace nn = remat::nn;
using remat::image, remat::named, remat::sequential;

// clang-format off
template <class Fc1>
using net = sequential<
    named<"conv1", nn::conv2d<1, 32, 3>>, nn::relu,
    named<"conv2", nn::conv2d<32, 64, 3>>, nn::relu,
    nn::max_pool2d<2>, nn::flatten,
    Fc1, nn::relu,
    named<"fc2", nn::linear<128, 10>>, nn::log_softmax>;
// clang-format on
using fc1 = named<"fc1", nn::linear<9216, 128>>;

}  // namespace example_01_parts

network example_01() {
  using namespace example_01_parts;
  using input = image<float, 1, 28, 28>;
  return {.name = "example_01",
          .lower = &lowered<net<fc1>, input, nn::nll_loss>,
          .microbatch = 3,
          .classes = 10,
          .as_types = {{"the layer fc1",
                        &lowered<net<remat::checkpoint<fc1>>, input, nn::nll_loss>,
                        {remat::checkpoint_at("fc1")}}}};
}

}  // namespace networks
