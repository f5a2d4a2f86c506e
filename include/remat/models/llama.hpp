// SPDX-License-Identifier: MIT
/// Llama (Touvron et al. 2023), under the names of Hugging Face's LlamaForCausalLM:
/// `model.layers.0.self_attn.q_proj.weight`.
///
///     using net = remat::models::llama<remat::models::llama_3_2_1b>;
///     remat::model<net, remat::tensor<std::int32_t, 2048>, nn::cross_entropy> m;
///     remat::load_weights(m, "Llama-3.2-1B");  // a file, or a folder of several with an index
///
/// takes tokens (T), T any length, and gives logits (T, vocabulary). `llama_without_head` and `llama_loss` train the
/// same weights without ever holding all logits, as those of gpt2.hpp.
///
/// Queries, keys and values are three products, as in its files: the names, the gradients and the rows of an optimizer
/// are those of three weights.
#pragma once

#include <remat/core/weight_names.hpp>
#include <remat/model/inlined.hpp>
#include <remat/model/named.hpp>
#include <remat/model/parallel.hpp>
#include <remat/model/repeat.hpp>
#include <remat/model/sequential.hpp>
#include <remat/model/shared.hpp>
#include <remat/models/initialised.hpp>
#include <remat/nn/attention.hpp>
#include <remat/nn/rms_norm.hpp>
#include <remat/nn/rotary_embedding.hpp>
#include <remat/nn/swiglu.hpp>

#include <cstddef>
#include <string_view>
#include <type_traits>

namespace remat::models {

/// Sizes; the defaults are those of TinyLlama 1.1B.
struct llama_config {
  std::size_t vocabulary = 32000;   ///< Hugging Face's vocab_size
  std::size_t width = 2048;         ///< hidden_size
  std::size_t heads = 32;           ///< num_attention_heads
  std::size_t key_value_heads = 4;  ///< num_key_value_heads
  std::size_t head_width = 0;       ///< head_dim; 0: width / heads
  std::size_t blocks = 22;          ///< num_hidden_layers
  std::size_t inner = 5632;         ///< intermediate_size
  double epsilon = 1e-5;            ///< rms_norm_eps
  nn::rotary_options rotary = {};   ///< rope_theta and rope_scaling
  bool tied = false;                ///< tie_word_embeddings: the head's weight is that of the embedding
  double deviation = 0.02;          ///< initializer_range
};

inline constexpr llama_config tiny_llama_1_1b{};
inline constexpr llama_config llama_3_2_1b{.vocabulary = 128256,
                                           .key_value_heads = 8,
                                           .blocks = 16,
                                           .inner = 8192,
                                           .rotary = {.theta = 500000, .factor = 32},
                                           .tied = true};
inline constexpr llama_config llama_3_2_3b{.vocabulary = 128256,
                                           .width = 3072,
                                           .heads = 24,
                                           .key_value_heads = 8,
                                           .blocks = 28,
                                           .inner = 8192,
                                           .rotary = {.theta = 500000, .factor = 32},
                                           .tied = true};

namespace detail {

template <llama_config C>
struct llama_heads {
  static constexpr bool holds = true;
  static_assert(
      C.heads > 0 && (C.head_width > 0 || C.width % C.heads == 0),
      "remat: the heads of a llama share its width evenly; give it a width that is a multiple of its heads, or "
      "a head_width");
};

template <llama_config C>
struct llama_parts {
  static_assert(llama_heads<C>::holds);
  static constexpr std::size_t head = C.head_width == 0 ? C.width / C.heads : C.head_width;
  template <std::size_t In, std::size_t Out>
  using product = linear<In, Out, C.deviation, nn::bias::without>;
  using norm = nn::rms_norm<C.width, nn::norm_options{.epsilon = C.epsilon}>;
  using rotary = nn::rotary_embedding<head, C.rotary>;
  using attention = sequential<
      inlined<
          parallel<nn::attention<C.heads, nn::attention_options{.causal = true, .key_value_heads = C.key_value_heads}>,
                   inlined<sequential<named<"q_proj", product<C.width, C.heads * head>>, rotary>>,
                   inlined<sequential<named<"k_proj", product<C.width, C.key_value_heads * head>>, rotary>>,
                   named<"v_proj", product<C.width, C.key_value_heads * head>>>>,
      named<"o_proj", product<C.heads * head, C.width>>>;
  using mlp = sequential<inlined<parallel<nn::swiglu, named<"gate_proj", product<C.width, C.inner>>,
                                          named<"up_proj", product<C.width, C.inner>>>>,
                         named<"down_proj", product<C.inner, C.width>>>;
  using block = sequential<inlined<residual<sequential<named<"input_layernorm", norm>, named<"self_attn", attention>>>>,
                           inlined<residual<sequential<named<"post_attention_layernorm", norm>, named<"mlp", mlp>>>>>;
  /// The embedding and the head, of one weight or of two.
  template <class M>
  using head_or_table = std::conditional_t<C.tied, shared<"embed_tokens", M>, M>;
  using model = sequential<named<"embed_tokens", head_or_table<embedding<C.vocabulary, C.width, C.deviation>>>,
                           named<"layers", repeat<C.blocks, block>>, named<"norm", norm>>;
};

constexpr weight_names llama_names(const llama_config& c, bool has_head) {
  weight_names made{.prefix = "model.",
                    .ignored = {"*rotary_emb.inv_freq"},
                    .model_types = {"llama"},
                    .configuration = {{{"num_attention_heads", static_cast<double>(c.heads)},
                                       {"num_key_value_heads", static_cast<double>(c.key_value_heads)},
                                       {"rms_norm_eps", c.epsilon},
                                       {"hidden_act", 0, "silu"},
                                       {"rope_theta", c.rotary.theta},
                                       {"rope_type", 0, c.rotary.factor > 1 ? "llama3" : "default"},
                                       {"factor", c.rotary.factor}}}};
  if (!has_head) made.ignored[1] = "lm_head.weight";
  return made;
}

}  // namespace detail

/// With its head: logits (T, vocabulary).
template <llama_config C = tiny_llama_1_1b>
struct llama : module {
  static constexpr std::string_view kind = "llama";
  using body = sequential<named<"model", typename detail::llama_parts<C>::model>,
                          named<"lm_head", typename detail::llama_parts<C>::template head_or_table<
                                               detail::linear<C.width, C.vocabulary, C.deviation, nn::bias::without>>>>;
  static constexpr weight_names names = detail::llama_names(C, true);
};

/// What comes before the head: (T, width).
template <llama_config C = tiny_llama_1_1b>
struct llama_without_head : module {
  static constexpr std::string_view kind = "llama";
  using body = sequential<named<"model", typename detail::llama_parts<C>::model>>;
  static constexpr weight_names names = detail::llama_names(C, false);
};

/// The head and the cross entropy of its logits in one, after `llama_without_head`.
template <llama_config C = tiny_llama_1_1b, class... Options>
using llama_loss = named<"lm_head", typename detail::llama_parts<C>::template head_or_table<
                                        detail::linear_cross_entropy<C.width, C.vocabulary, C.deviation, Options...>>>;

}  // namespace remat::models
