// SPDX-License-Identifier: MIT
// Probabilities of several labels, each by itself.
#include "list.hpp"

#include <remat/model/parallel.hpp>
#include <remat/nn/bce_with_logits.hpp>
#include <remat/nn/concat.hpp>
#include <remat/nn/layer_norm.hpp>
#include <remat/nn/linear.hpp>
#include <remat/nn/sigmoid.hpp>
#include <remat/nn/softmax.hpp>
#include <remat/nn/tanh.hpp>

namespace networks {
namespace labels_parts {

namespace nn = remat::nn;
using remat::named, remat::sequential, remat::tensor;

// clang-format off
using net = sequential<
    named<"middle", remat::parallel<nn::concat,
        nn::softmax, sequential<nn::linear<10, 9>, nn::layer_norm<9>, nn::tanh>>>,
    nn::sigmoid, nn::linear<19, 7>>;
// clang-format on

}  // namespace labels_parts

network labels() {
  using namespace labels_parts;
  return {.name = "labels", .lower = &lowered<net, tensor<float, 10>, nn::bce_with_logits>, .microbatch = 7};
}

}  // namespace networks
