// SPDX-License-Identifier: MIT
// Matrix products alone.
#include "list.hpp"

#include <remat/nn/flatten.hpp>
#include <remat/nn/linear.hpp>
#include <remat/nn/log_softmax.hpp>
#include <remat/nn/nll_loss.hpp>
#include <remat/nn/relu.hpp>

namespace networks {
namespace layers_parts {

namespace nn = remat::nn;
using remat::image, remat::named, remat::sequential;

// clang-format off
using net = sequential<
    nn::flatten, nn::linear<784, 300>, nn::relu,
    named<"middle", sequential<nn::linear<300, 100>, nn::relu>>,
    nn::linear<100, 70>, nn::relu, nn::linear<70, 10>, nn::log_softmax>;
// clang-format on

}  // namespace layers_parts

network layers() {
  using namespace layers_parts;
  return {
      .name = "layers", .lower = &lowered<net, image<float, 1, 28, 28>, nn::nll_loss>, .microbatch = 5, .classes = 10};
}

}  // namespace networks
