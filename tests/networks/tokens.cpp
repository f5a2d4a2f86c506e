// SPDX-License-Identifier: MIT
// Indices (T), two tables, and a loss that computes its logits in chunks.
#include "list.hpp"

#include <remat/model/parallel.hpp>
#include <remat/nn/embedding.hpp>
#include <remat/nn/gelu.hpp>
#include <remat/nn/layer_norm.hpp>
#include <remat/nn/linear.hpp>
#include <remat/nn/linear_cross_entropy.hpp>
#include <remat/nn/multiply.hpp>

#include <cstdint>

namespace networks {
namespace tokens_parts {

namespace nn = remat::nn;
using remat::named, remat::sequential, remat::tensor;

// clang-format off
using net = sequential<
    remat::parallel<nn::multiply, named<"left", nn::embedding<41, 12>>, named<"right", nn::embedding<41, 12>>>,
    named<"norm", nn::layer_norm<12>>,
    named<"middle", sequential<nn::linear<12, 24>, nn::gelu, nn::linear<24, 12>>>,
    nn::layer_norm<12>>;
// clang-format on

}  // namespace tokens_parts

network tokens() {
  using namespace tokens_parts;
  return {.name = "tokens",
          .lower = &lowered<net, tensor<std::int32_t, 6>, nn::linear_cross_entropy<12, 20011>>,
          .microbatch = 3,
          .vocabulary = 41,
          .classes = 20011};
}

}  // namespace networks
