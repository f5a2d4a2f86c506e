// SPDX-License-Identifier: MIT
// Shared parameters: a table that is also the last layer's weight, and a block that is used three times.
#include "list.hpp"

#include <remat/model/parallel.hpp>
#include <remat/model/shared.hpp>
#include <remat/nn/cross_entropy.hpp>
#include <remat/nn/embedding.hpp>
#include <remat/nn/layer_norm.hpp>
#include <remat/nn/linear.hpp>
#include <remat/nn/silu.hpp>
#include <remat/nn/tanh.hpp>

#include <cstdint>

namespace networks {
namespace tied_parts {

namespace nn = remat::nn;
using remat::named, remat::sequential, remat::tensor;

// clang-format off
template <class Middle>
using net = sequential<
    named<"token", remat::shared<"token", nn::embedding<23, 10>>>,
    named<"middle", Middle>,
    named<"head", remat::shared<"token", nn::linear<10, 23, nn::bias::without>>>>;
using mixing = remat::shared<"mixing", remat::residual<
    sequential<nn::layer_norm<10>, nn::linear<10, 14>, nn::tanh, nn::linear<14, 10>>>>;
using middle = sequential<mixing, nn::silu, mixing, mixing>;
// clang-format on

}  // namespace tied_parts

network tied() {
  using namespace tied_parts;
  return {.name = "tied",
          .lower = &lowered<net<middle>, tensor<std::int32_t, 7>, nn::cross_entropy>,
          .microbatch = 3,
          .vocabulary = 23,
          .classes = 23,
          .chain = "middle",
          .as_types = {{"each use of the shared block",
                        &lowered<net<remat::checkpoint_sequential<middle>>, tensor<std::int32_t, 7>, nn::cross_entropy>,
                        {remat::checkpoint_at("middle", remat::strategy::each{})}}}};
}

}  // namespace networks
