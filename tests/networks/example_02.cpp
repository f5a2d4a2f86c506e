// SPDX-License-Identifier: MIT
// Example 02's: a class for every pixel.
#include "list.hpp"

#include <remat/nn/conv2d.hpp>
#include <remat/nn/log_softmax.hpp>
#include <remat/nn/nll_loss.hpp>
#include <remat/nn/relu.hpp>

namespace networks {
namespace example_02_parts {

namespace nn = remat::nn;
using remat::image, remat::named, remat::sequential;

using seq = sequential<nn::conv2d<1, 20, 5>, nn::relu, nn::conv2d<20, 64, 5>, nn::relu>;
template <class Seq>
using net = sequential<named<"seq", Seq>, nn::log_softmax>;

}  // namespace example_02_parts

network example_02() {
  using namespace example_02_parts;
  using input = image<float, 1, 28, 28>;
  using contiguous = remat::checkpoint_sequential<seq, remat::strategy::contiguous>;
  return {.name = "example_02",
          .lower = &lowered<net<seq>, input, nn::nll_loss>,
          .microbatch = 1,
          .classes = 64,
          .chain = "seq",
          .as_types = {{"the sequential as a whole",
                        &lowered<net<contiguous>, input, nn::nll_loss>,
                        {remat::checkpoint_at("seq", remat::strategy::contiguous{})}}}};
}

}  // namespace networks
