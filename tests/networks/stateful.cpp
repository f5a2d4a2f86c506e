// SPDX-License-Identifier: MIT
// A block with statistics and dropout, repeated. Its convolution has a bias that the batch norm after it takes away.
#include "list.hpp"

#include <remat/nn/batch_norm2d.hpp>
#include <remat/nn/conv2d.hpp>
#include <remat/nn/dropout.hpp>
#include <remat/nn/flatten.hpp>
#include <remat/nn/linear.hpp>
#include <remat/nn/log_softmax.hpp>
#include <remat/nn/nll_loss.hpp>
#include <remat/nn/relu.hpp>
#include <remat/nn/tanh.hpp>

namespace networks {
namespace stateful_parts {

namespace nn = remat::nn;
using remat::image, remat::named, remat::sequential;

struct block : remat::module {
  using body = sequential<nn::conv2d<5, 5, 3, nn::window{.padding = 1}>,
                          nn::batch_norm2d<5, nn::batch_norm_options{.epsilon = 1e-3, .momentum = 0.3}>, nn::tanh,
                          nn::dropout<0.2>>;
};
// clang-format off
template <class Blocks>
using net = sequential<
    named<"stem", nn::conv2d<2, 5, 3>>, nn::relu, named<"norm", nn::batch_norm2d<5>>,  // (5, 7, 5)
    named<"h", Blocks>,
    nn::flatten, nn::linear<175, 6>, nn::log_softmax>;
// clang-format on
using seven_blocks = remat::repeat<7, block>;

}  // namespace stateful_parts

network stateful() {
  using namespace stateful_parts;
  using input = image<float, 2, 9, 7>;
  return {
      .name = "stateful",
      .lower = &lowered<net<seven_blocks>, input, nn::nll_loss>,
      .microbatch = 3,
      .classes = 6,
      .chain = "h",
      .without_gradient = {"h.0.0.bias", "h.1.0.bias", "h.2.0.bias", "h.3.0.bias", "h.4.0.bias", "h.5.0.bias",
                           "h.6.0.bias"},
      .as_types = {
          {"groups of three",
           &lowered<net<remat::checkpoint_sequential<seven_blocks, remat::strategy::group<3>>>, input, nn::nll_loss>,
           {remat::checkpoint_at("h", remat::strategy::group<3>{})}}}};
}

}  // namespace networks
