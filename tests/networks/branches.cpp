// SPDX-License-Identifier: MIT
// Three convolutions side by side, twice; a sum of three; a product of two.
#include "list.hpp"

#include <remat/model/parallel.hpp>
#include <remat/nn/add.hpp>
#include <remat/nn/concat.hpp>
#include <remat/nn/conv2d.hpp>
#include <remat/nn/flatten.hpp>
#include <remat/nn/linear.hpp>
#include <remat/nn/log_softmax.hpp>
#include <remat/nn/max_pool2d.hpp>
#include <remat/nn/multiply.hpp>
#include <remat/nn/nll_loss.hpp>
#include <remat/nn/relu.hpp>
#include <remat/nn/sigmoid.hpp>
#include <remat/nn/silu.hpp>
#include <remat/nn/tanh.hpp>

namespace networks {
namespace branches_parts {

namespace nn = remat::nn;
using remat::image, remat::named, remat::sequential;

// clang-format off
using three = remat::parallel<nn::concat,
    nn::conv2d<6, 3, 1>, sequential<nn::conv2d<6, 4, 3, nn::window{.padding = 1}>, nn::relu>,
    sequential<nn::conv2d<6, 3, 1>, nn::silu, nn::conv2d<3, 4, 5, nn::window{.padding = 2}>>>;
template <class First>
using net = sequential<
    named<"stem", nn::conv2d<2, 6, 3>>, nn::relu,                                                  // (6, 9, 7)
    named<"middle", sequential<
        First, nn::relu, nn::conv2d<11, 6, 1>, nn::tanh,
        three, nn::relu, nn::conv2d<11, 6, 1>>>,
    remat::parallel<nn::add, nn::conv2d<6, 5, 1>, sequential<nn::relu, nn::conv2d<6, 5, 3, nn::window{.padding = 1}>>, nn::conv2d<6, 5, 1>>,
    nn::relu, nn::max_pool2d<2>, nn::flatten,                                                      // (60)
    remat::parallel<nn::multiply, nn::linear<60, 8>, sequential<nn::linear<60, 8>, nn::sigmoid>>,
    nn::linear<8, 5>, nn::log_softmax>;
// clang-format on

}  // namespace branches_parts

network branches() {
  using namespace branches_parts;
  return {.name = "branches",
          .lower = &lowered<net<three>, image<float, 2, 11, 9>, nn::nll_loss>,
          .microbatch = 3,
          .classes = 5,
          .chain = "middle",
          .as_types = {{"one of two groups of branches",
                        &lowered<net<remat::checkpoint<three>>, image<float, 2, 11, 9>, nn::nll_loss>,
                        {remat::checkpoint_at("middle.0")}}}};
}

}  // namespace networks
