// SPDX-License-Identifier: MIT
// A Llama: rotary positions, grouped queries in three tensors, gated feed-forward blocks, norms by the root mean
// square.
#include "list.hpp"

#include <remat/model/parallel.hpp>
#include <remat/nn/attention.hpp>
#include <remat/nn/cross_entropy.hpp>
#include <remat/nn/embedding.hpp>
#include <remat/nn/linear.hpp>
#include <remat/nn/rms_norm.hpp>
#include <remat/nn/rotary_embedding.hpp>
#include <remat/nn/swiglu.hpp>

namespace networks {
namespace llama_parts {

namespace nn = remat::nn;
using remat::named, remat::sequential, remat::tensor;

// clang-format off
template <std::size_t In, std::size_t Out>
using linear = nn::linear<In, Out, nn::bias::without>;
using norm = nn::rms_norm<24, nn::norm_options{.epsilon = 1e-6}>;
using rotary = nn::rotary_embedding<6, nn::rotary_options{.theta = 500000, .factor = 8, .original_positions = 16}>;
using attention = sequential<
    remat::parallel<nn::attention<4, nn::attention_options{.causal = true, .key_value_heads = 2}>,
        sequential<named<"q_proj", linear<24, 24>>, rotary>,
        sequential<named<"k_proj", linear<24, 12>>, rotary>,
        named<"v_proj", linear<24, 12>>>,
    named<"o_proj", linear<24, 24>>>;
using mlp = sequential<
    remat::parallel<nn::swiglu, named<"gate_proj", linear<24, 40>>, named<"up_proj", linear<24, 40>>>,
    named<"down_proj", linear<40, 24>>>;
using block = sequential<
    remat::residual<sequential<named<"input_layernorm", norm>, named<"self_attn", attention>>>,
    remat::residual<sequential<named<"post_attention_layernorm", norm>, named<"mlp", mlp>>>>;
using net = sequential<
    named<"embed_tokens", nn::embedding<43, 24>>,
    named<"layers", remat::repeat<3, block>>,
    named<"norm", norm>, named<"lm_head", linear<24, 43>>>;
// clang-format on

}  // namespace llama_parts

network llama() {
  using namespace llama_parts;
  return {.name = "llama",
          .lower = &lowered<net, tensor<std::int32_t, 33>, nn::cross_entropy>,
          .microbatch = 2,
          .vocabulary = 43,
          .classes = 43,
          .chain = "layers"};
}

}  // namespace networks
