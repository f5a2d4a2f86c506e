// SPDX-License-Identifier: MIT
// One index for a sample, and a class for it.
#include "list.hpp"

#include <remat/nn/cross_entropy.hpp>
#include <remat/nn/embedding.hpp>
#include <remat/nn/layer_norm.hpp>
#include <remat/nn/linear.hpp>
#include <remat/nn/silu.hpp>

#include <cstdint>

namespace networks {
namespace word_parts {

namespace nn = remat::nn;
using remat::named, remat::sequential, remat::tensor;

// clang-format off
using net = sequential<
    named<"stem", nn::embedding<29, 11>>, nn::linear<11, 17>, nn::silu, nn::layer_norm<17>, nn::linear<17, 8>>;
// clang-format on

}  // namespace word_parts

network word() {
  using namespace word_parts;
  return {.name = "word",
          .lower = &lowered<net, tensor<std::int32_t>, nn::cross_entropy>,
          .microbatch = 5,
          .vocabulary = 29,
          .classes = 8};
}

}  // namespace networks
