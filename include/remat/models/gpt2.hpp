// SPDX-License-Identifier: MIT
/// GPT-2 (Radford et al. 2019), under the names of Hugging Face's GPT2LMHeadModel:
/// `transformer.h.0.attn.c_attn.weight`.
///
///     using net = remat::models::gpt2<remat::models::gpt2_small>;
///     remat::model<net, remat::tensor<std::int32_t, 1024>, nn::cross_entropy> m;
///     remat::load_weights(m, "gpt2/model.safetensors");
///
/// takes tokens (T), T at most `positions`, and gives logits (T, vocabulary). Where the vocabulary is large, the same
/// weights train without ever holding all logits:
///
///     remat::model<remat::models::gpt2_without_head<config>, input, remat::models::gpt2_loss<config>>
///
/// Queries, keys and values are one product, as in its files, whose weights are (In, Out): loading and saving transpose
/// them. The last layer's weight is that of `wte`, and need not be in a file.
#pragma once

#include <remat/core/weight_names.hpp>
#include <remat/model/inlined.hpp>
#include <remat/model/named.hpp>
#include <remat/model/parallel.hpp>
#include <remat/model/repeat.hpp>
#include <remat/model/sequential.hpp>
#include <remat/model/shared.hpp>
#include <remat/models/initialised.hpp>
#include <remat/models/optional_dropout.hpp>
#include <remat/models/square_root.hpp>
#include <remat/nn/attention.hpp>
#include <remat/nn/gelu.hpp>
#include <remat/nn/layer_norm.hpp>
#include <remat/nn/linear.hpp>
#include <remat/nn/linear_cross_entropy.hpp>

#include <cstddef>
#include <string_view>

namespace remat::models {

/// Sizes; the defaults are those of "gpt2", the smallest that was published.
struct gpt2_config {
  std::size_t vocabulary = 50257;  ///< Hugging Face's vocab_size
  std::size_t positions = 1024;    ///< n_positions
  std::size_t width = 768;         ///< n_embd
  std::size_t heads = 12;          ///< n_head
  std::size_t blocks = 12;         ///< n_layer
  std::size_t inner = 0;           ///< n_inner, of the feed-forward blocks; 0: 4 * width
  double dropout = 0.1;            ///< resid_pdrop, embd_pdrop and attn_pdrop
  double epsilon = 1e-5;           ///< layer_norm_epsilon
  double deviation = 0.02;         ///< initializer_range
};

inline constexpr gpt2_config gpt2_small{};
inline constexpr gpt2_config gpt2_medium{.width = 1024, .heads = 16, .blocks = 24};
inline constexpr gpt2_config gpt2_large{.width = 1280, .heads = 20, .blocks = 36};
inline constexpr gpt2_config gpt2_xl{.width = 1600, .heads = 25, .blocks = 48};

namespace detail {

/// Of the projections that are added to the residual: smaller the deeper a network is, as GPT-2 starts them.
constexpr double residual_deviation(const gpt2_config& c) {
  return c.deviation / square_root_of(2.0 * static_cast<double>(c.blocks));
}

template <gpt2_config C>
struct gpt2_parts {
  static constexpr std::size_t inner = C.inner == 0 ? 4 * C.width : C.inner;
  static constexpr double last = residual_deviation(C);
  using drop = optional_dropout<C.dropout>;
  using norm = nn::layer_norm<C.width, nn::norm_options{.epsilon = C.epsilon}>;
  using attention = sequential<named<"c_attn", conv1d<C.width, 3 * C.width, C.deviation>>,
                               nn::attention<C.heads, nn::attention_options{.causal = true, .dropout = C.dropout}>,
                               named<"c_proj", conv1d<C.width, C.width, last>>, drop>;
  using mlp = sequential<named<"c_fc", conv1d<C.width, inner, C.deviation>>, nn::gelu_tanh,
                         named<"c_proj", conv1d<inner, C.width, last>>, drop>;
  using block = sequential<inlined<residual<sequential<named<"ln_1", norm>, named<"attn", attention>>>>,
                           inlined<residual<sequential<named<"ln_2", norm>, named<"mlp", mlp>>>>>;
  using transformer = sequential<named<"wte", shared<"wte", embedding<C.vocabulary, C.width, C.deviation>>>,
                                 named<"wpe", positional_embedding<C.positions, C.width, C.deviation>>,
                                 named<"drop", drop>, named<"h", repeat<C.blocks, block>>, named<"ln_f", norm>>;
};

constexpr weight_names gpt2_names(const gpt2_config& c, bool has_head) {
  weight_names made{.prefix = "transformer.",
                    .ignored = {"*.attn.bias", "*.attn.masked_bias"},
                    .model_types = {"gpt2"},
                    .configuration = {{{"n_head", static_cast<double>(c.heads)},
                                       {"layer_norm_epsilon", c.epsilon},
                                       {"activation_function", 0, "gelu_new"}}}};
  if (!has_head) made.ignored[2] = "lm_head.weight";
  return made;
}

}  // namespace detail

/// With its head: logits (T, vocabulary).
template <gpt2_config C = gpt2_small>
struct gpt2 : module {
  static constexpr std::string_view kind = "gpt2";
  using body = sequential<named<"transformer", typename detail::gpt2_parts<C>::transformer>,
                          named<"lm_head", shared<"wte", nn::linear<C.width, C.vocabulary, nn::bias::without>>>>;
  static constexpr weight_names names = detail::gpt2_names(C, true);
};

/// What comes before the head: (T, width).
template <gpt2_config C = gpt2_small>
struct gpt2_without_head : module {
  static constexpr std::string_view kind = "gpt2";
  using body = sequential<named<"transformer", typename detail::gpt2_parts<C>::transformer>>;
  static constexpr weight_names names = detail::gpt2_names(C, false);
};

/// The head and the cross entropy of its logits in one, after `gpt2_without_head`.
template <gpt2_config C = gpt2_small, class... Options>
using gpt2_loss =
    named<"lm_head", shared<"wte", nn::linear_cross_entropy<C.width, C.vocabulary, nn::bias::without, Options...>>>;

}  // namespace remat::models
