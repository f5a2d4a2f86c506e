// SPDX-License-Identifier: MIT
/// BERT (Devlin et al. 2019), an encoder with its norms after the sums, under the names of Hugging Face's models:
/// `bert.encoder.layer.0.attention.self.query.weight`.
///
///     using net = remat::models::bert_for_sequence_classification<remat::models::bert_base_uncased, 2>;
///     using input = remat::models::bert_input<128>;
///     remat::model<net, input, nn::cross_entropy> m;
///     remat::load_weights(m, "bert-base-uncased", {.allow_missing = {"classifier"}});
///     m.train_step(tokens, types, mask, labels);
///
/// takes tokens, their types (0 or 1) and a mask (0 where a token is padding), each (T), T at most `positions`. The
/// mask reaches the attention of every block.
///
/// | type                                          | gives                                   | in transformers               |
/// |-----------------------------------------------|-----------------------------------------|-------------------------------|
/// | `bert<C>`                                     | (T, width), and the pooled (width)      | BertModel                     |
/// | `bert_without_pooler<C>`                      | (T, width)                              | the same                      |
/// | `bert_for_masked_lm<C>`                       | (T, vocabulary)                         | BertForMaskedLM               |
/// | `bert_for_sequence_classification<C, Labels>` | (Labels)                                | BertForSequenceClassification |
/// | `bert_for_token_classification<C, Labels>`    | (T, Labels)                             | BertForTokenClassification    |
#pragma once

#include <remat/core/tensor.hpp>
#include <remat/core/weight_names.hpp>
#include <remat/model/inlined.hpp>
#include <remat/model/named.hpp>
#include <remat/model/parallel.hpp>
#include <remat/model/repeat.hpp>
#include <remat/model/sequential.hpp>
#include <remat/model/shared.hpp>
#include <remat/model/tag.hpp>
#include <remat/models/initialised.hpp>
#include <remat/models/optional_dropout.hpp>
#include <remat/nn/attention.hpp>
#include <remat/nn/gelu.hpp>
#include <remat/nn/layer_norm.hpp>
#include <remat/nn/select_row.hpp>
#include <remat/nn/tanh.hpp>

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace remat::models {

/// Sizes; the defaults are those of "bert-base-uncased".
struct bert_config {
  std::size_t vocabulary = 30522;  ///< Hugging Face's vocab_size
  std::size_t positions = 512;     ///< max_position_embeddings
  std::size_t first_position = 0;  ///< 2 in RoBERTa, CamemBERT and XLM-R: pad_token_id + 1
  std::size_t types = 2;           ///< type_vocab_size
  std::size_t width = 768;         ///< hidden_size
  std::size_t heads = 12;          ///< num_attention_heads
  std::size_t blocks = 12;         ///< num_hidden_layers
  std::size_t inner = 3072;        ///< intermediate_size
  double dropout = 0.1;            ///< hidden_dropout_prob and attention_probs_dropout_prob
  double epsilon = 1e-12;          ///< layer_norm_eps
  double deviation = 0.02;         ///< initializer_range
};

inline constexpr bert_config bert_base_uncased{};
inline constexpr bert_config bert_base_cased{.vocabulary = 28996};
inline constexpr bert_config bert_large_uncased{.width = 1024, .heads = 16, .blocks = 24, .inner = 4096};

/// Tokens, types and mask of T places.
template <std::size_t T>
using bert_input = tensors<tensor<std::int32_t, T>, tensor<std::int32_t, T>, tensor<std::int32_t, T>>;

namespace detail {

template <bert_config C>
struct bert_parts {
  template <std::size_t In, std::size_t Out>
  using product = linear<In, Out, C.deviation>;
  using drop = optional_dropout<C.dropout>;
  using norm = nn::layer_norm<C.width, nn::norm_options{.epsilon = C.epsilon}>;

  template <fixed_string Name, std::size_t Rows>
  using table = named<Name, embedding<Rows, C.width, C.deviation>>;
  using words = named<"word_embeddings", shared<"word_embeddings", embedding<C.vocabulary, C.width, C.deviation>>>;
  using embeddings = sequential<
      inlined<parallel<nn::add, inlined<sequential<pick<0>, words>>,
                       inlined<sequential<pick<1>, table<"token_type_embeddings", C.types>>>>>,
      named<"position_embeddings", positional_embedding<C.positions, C.width, C.deviation, C.first_position>>,
      named<"LayerNorm", norm>, drop>;

  /// What is added to what came before `Rest`, and normalised.
  template <std::size_t In>
  using output =
      named<"output",
            sequential<named<"dense", product<In, C.width>>, drop, join<"before", nn::add>, named<"LayerNorm", norm>>>;
  using heads = nn::attention<C.heads, nn::attention_options{.dropout = C.dropout}>;
  using self = parallel<join<"attention_mask", heads>, named<"query", product<C.width, C.width>>,
                        named<"key", product<C.width, C.width>>, named<"value", product<C.width, C.width>>>;
  using block =
      sequential<named<"attention", sequential<tag<"before">, named<"self", self>, output<C.width>>>, tag<"before">,
                 named<"intermediate", sequential<named<"dense", product<C.width, C.inner>>, nn::gelu>>,
                 output<C.inner>>;

  using encoder = sequential<
      inlined<parallel<pick<0>, named<"embeddings", embeddings>, inlined<sequential<pick<2>, tag<"attention_mask">>>>>,
      named<"encoder", sequential<named<"layer", repeat<C.blocks, block>>>>>;
  using pooler = named<"pooler", sequential<nn::select_row<0>, named<"dense", product<C.width, C.width>>, nn::tanh>>;

  using predictions = sequential<
      named<"transform", sequential<named<"dense", product<C.width, C.width>>, nn::gelu, named<"LayerNorm", norm>>>,
      named<"decoder", shared<"word_embeddings", product<C.width, C.vocabulary>>>>;
};

/// Names of encoders, and of heads that are not there.
constexpr weight_names bert_names(const bert_config& c, bool has_pooler, bool has_classifier) {
  weight_names made{.prefix = "bert.",
                    .spellings = {{{"LayerNorm.gamma", "LayerNorm.weight"}, {"LayerNorm.beta", "LayerNorm.bias"}}},
                    .ignored = {"bert.embeddings.position_ids", "cls.*"},
                    .model_types = {"bert"},
                    .configuration = {{{"num_attention_heads", static_cast<double>(c.heads)},
                                       {"layer_norm_eps", c.epsilon},
                                       {"hidden_act", 0, "gelu"},
                                       {"position_embedding_type", 0, "absolute"}}}};
  if (c.first_position > 0) {
    made.model_types = {"roberta", "xlm-roberta", "camembert"};
    made.configuration[4] = {"pad_token_id", static_cast<double>(c.first_position) - 1};
  }
  if (!has_pooler) made.ignored[2] = "bert.pooler.*";
  if (!has_classifier) {
    made.ignored[3] = "classifier.*";
    made.ignored[4] = "qa_outputs.*";
  }
  return made;
}
constexpr weight_names bert_masked_lm_names(const bert_config& c) {
  weight_names made = bert_names(c, false, true);
  made.spellings[2] = {"predictions.bias", "predictions.decoder.bias", true};
  made.ignored[1] = "cls.seq_relationship.*";
  return made;
}

}  // namespace detail

/// Hidden states (T, width), and the pooled output (width): tanh of a layer on the first.
template <bert_config C = bert_base_uncased>
struct bert : module {
  static constexpr std::string_view kind = "bert";
  using parts = detail::bert_parts<C>;
  using body = sequential<named<"bert", sequential<inlined<typename parts::encoder>,
                                                   inlined<parallel<identity, identity, typename parts::pooler>>>>>;
  static constexpr weight_names names = detail::bert_names(C, true, false);
};

/// Hidden states alone.
template <bert_config C = bert_base_uncased>
struct bert_without_pooler : module {
  static constexpr std::string_view kind = "bert";
  using body = sequential<named<"bert", typename detail::bert_parts<C>::encoder>>;
  static constexpr weight_names names = detail::bert_names(C, false, false);
};

template <bert_config C = bert_base_uncased>
struct bert_for_masked_lm : module {
  static constexpr std::string_view kind = "bert";
  using parts = detail::bert_parts<C>;
  using body = sequential<named<"bert", typename parts::encoder>,
                          named<"cls", sequential<named<"predictions", typename parts::predictions>>>>;
  static constexpr weight_names names = detail::bert_masked_lm_names(C);
};

template <bert_config C, std::size_t Labels>
struct bert_for_sequence_classification : module {
  static constexpr std::string_view kind = "bert";
  using parts = detail::bert_parts<C>;
  using body = sequential<named<"bert", sequential<inlined<typename parts::encoder>, typename parts::pooler>>,
                          typename parts::drop, named<"classifier", typename parts::template product<C.width, Labels>>>;
  static constexpr weight_names names = detail::bert_names(C, true, true);
};

template <bert_config C, std::size_t Labels>
struct bert_for_token_classification : module {
  static constexpr std::string_view kind = "bert";
  using parts = detail::bert_parts<C>;
  using body = sequential<named<"bert", typename parts::encoder>, typename parts::drop,
                          named<"classifier", typename parts::template product<C.width, Labels>>>;
  static constexpr weight_names names = detail::bert_names(C, false, true);
};

}  // namespace remat::models
