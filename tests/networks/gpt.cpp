// SPDX-License-Identifier: MIT
// A GPT-2: learned positions, causal attention of one tensor of queries, keys and values, and a loss that computes its
// logits in chunks.
#include "list.hpp"

#include <remat/model/parallel.hpp>
#include <remat/nn/attention.hpp>
#include <remat/nn/dropout.hpp>
#include <remat/nn/embedding.hpp>
#include <remat/nn/gelu.hpp>
#include <remat/nn/layer_norm.hpp>
#include <remat/nn/linear.hpp>
#include <remat/nn/linear_cross_entropy.hpp>
#include <remat/nn/positional_embedding.hpp>

namespace networks {
namespace gpt_parts {

namespace nn = remat::nn;
using remat::named, remat::sequential, remat::tensor;

// clang-format off
using attention = sequential<
    named<"c_attn", nn::linear<24, 72>>, nn::attention<3, nn::attention_options{.causal = true}>,
    named<"c_proj", nn::linear<24, 24>>, nn::dropout<0.2>>;
using mlp = sequential<
    named<"c_fc", nn::linear<24, 96>>, nn::gelu_tanh, named<"c_proj", nn::linear<96, 24>>>;
using block = sequential<
    remat::residual<sequential<named<"ln_1", nn::layer_norm<24>>, named<"attn", attention>>>,
    remat::residual<sequential<named<"ln_2", nn::layer_norm<24>>, named<"mlp", mlp>>>>;
using net = sequential<
    named<"wte", nn::embedding<61, 24>>, named<"wpe", nn::positional_embedding<70, 24>>,
    named<"drop", nn::dropout<0.1>>,
    named<"h", remat::repeat<4, block>>,
    named<"ln_f", nn::layer_norm<24>>>;
// clang-format on

}  // namespace gpt_parts

network gpt() {
  using namespace gpt_parts;
  return {.name = "gpt",
          .lower = &lowered<net, tensor<std::int32_t, 67>, nn::linear_cross_entropy<24, 61, nn::bias::without>>,
          .microbatch = 2,
          .vocabulary = 61,
          .classes = 61,
          .chain = "h"};
}

}  // namespace networks
