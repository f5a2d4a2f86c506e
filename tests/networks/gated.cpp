// SPDX-License-Identifier: MIT
// Layers over the rows of (T, D): activations alone and fused, a gate, three branches side by side. A class for every
// row.
#include "list.hpp"

#include <remat/model/parallel.hpp>
#include <remat/nn/concat.hpp>
#include <remat/nn/cross_entropy.hpp>
#include <remat/nn/gelu.hpp>
#include <remat/nn/layer_norm.hpp>
#include <remat/nn/linear.hpp>
#include <remat/nn/multiply.hpp>
#include <remat/nn/sigmoid.hpp>
#include <remat/nn/silu.hpp>
#include <remat/nn/softmax.hpp>
#include <remat/nn/tanh.hpp>

namespace networks {
namespace gated_parts {

namespace nn = remat::nn;
using remat::named, remat::sequential, remat::tensor;

// clang-format off
using net = sequential<
    named<"lift", nn::linear<13, 21>>, nn::tanh, named<"norm1", nn::layer_norm<21>>,
    named<"gate", remat::residual<
        sequential<named<"open", nn::linear<21, 21>>, nn::sigmoid>, remat::identity, nn::multiply>>,
    named<"middle", sequential<named<"up", nn::linear<21, 35>>, nn::gelu, named<"down", nn::linear<35, 21>>>>,
    named<"norm2", nn::layer_norm<21>>, nn::silu,
    named<"three", remat::parallel<nn::concat,
        sequential<nn::linear<21, 5>, nn::gelu_tanh>, nn::softmax,
        remat::parallel<nn::multiply, nn::linear<21, 7>, sequential<nn::linear<21, 7>, nn::tanh>, nn::linear<21, 7>>>>,
    nn::tanh, nn::linear<33, 6>>;
// clang-format on

}  // namespace gated_parts

network gated() {
  using namespace gated_parts;
  return {
      .name = "gated", .lower = &lowered<net, tensor<float, 5, 13>, nn::cross_entropy>, .microbatch = 3, .classes = 6};
}

}  // namespace networks
