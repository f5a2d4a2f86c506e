// SPDX-License-Identifier: MIT
/// Vision transformers (Dosovitskiy et al. 2021), under either of their published names:
///
/// | type                  | gives            | names of                                                                     |
/// |-----------------------|------------------|------------------------------------------------------------------------------|
/// | `vit<C>`              | (classes)        | transformers, `vit.encoder.layer.0.attention.attention.query.weight`         |
/// | `vit_without_head<C>` | (1 + patches, D) | the same; no layer is after the last norm                                    |
/// | `torchvision_vit<C>`  | (classes)        | torchvision, `encoder.layers.0.self_attention.in_proj_weight`                |
///
///     remat::model<remat::models::torchvision_vit<remat::models::vit_b_16>, remat::image<float, 3, 224, 224>> m;
///     remat::load_weights(m, "vit_b_16.safetensors");
///
/// torchvision's files have `encoder_layer_0` for `0`; what is saved has it, too. Its queries, keys and values are one
/// product, those of transformers are three.
#pragma once

#include <remat/core/weight_names.hpp>
#include <remat/model/inlined.hpp>
#include <remat/model/named.hpp>
#include <remat/model/parallel.hpp>
#include <remat/model/repeat.hpp>
#include <remat/model/sequential.hpp>
#include <remat/models/initialised.hpp>
#include <remat/models/optional_dropout.hpp>
#include <remat/models/square_root.hpp>
#include <remat/nn/attention.hpp>
#include <remat/nn/class_token.hpp>
#include <remat/nn/conv2d.hpp>
#include <remat/nn/gelu.hpp>
#include <remat/nn/image_to_sequence.hpp>
#include <remat/nn/layer_norm.hpp>
#include <remat/nn/select_row.hpp>

#include <array>
#include <cstddef>
#include <string_view>

namespace remat::models {

/// Sizes; the defaults are those of "google/vit-base-patch16-224".
struct vit_config {
  std::size_t image = 224;     ///< Hugging Face's image_size: rows and columns
  std::size_t patch = 16;      ///< patch_size
  std::size_t channels = 3;    ///< num_channels
  std::size_t width = 768;     ///< hidden_size
  std::size_t heads = 12;      ///< num_attention_heads
  std::size_t blocks = 12;     ///< num_hidden_layers
  std::size_t inner = 3072;    ///< intermediate_size
  std::size_t classes = 1000;  ///< num_labels
  double dropout = 0;          ///< hidden_dropout_prob
  double epsilon = 1e-12;      ///< layer_norm_eps
  double deviation = 0.02;     ///< initializer_range
};

inline constexpr vit_config vit_base_16{};
inline constexpr vit_config vit_large_16{.width = 1024, .heads = 16, .blocks = 24, .inner = 4096};
/// torchvision's of the same names.
inline constexpr vit_config vit_b_16{.epsilon = 1e-6};
inline constexpr vit_config vit_b_32{.patch = 32, .epsilon = 1e-6};
inline constexpr vit_config vit_l_16{.width = 1024, .heads = 16, .blocks = 24, .inner = 4096, .epsilon = 1e-6};

namespace detail {

/// The first row of a vision transformer's sequence, and what is added to all of its rows: parameters of the module
/// around them, of the name that they are given.
template <fixed_string Name, std::size_t D, nn::real Deviation>
struct vit_token : nn::class_token<D> {
  static constexpr std::array parameters{parameter(Name.view(), {1, 1, D}, normal(Deviation.value)).of_parent()};
};
template <fixed_string Name, std::size_t T, std::size_t D, nn::real Deviation>
struct vit_positions : nn::positional_embedding<T, D> {
  static constexpr std::array parameters{parameter(Name.view(), {1, T, D}, normal(Deviation.value)).of_parent()};
};
/// Of patches, as the other layers start.
template <std::size_t C, std::size_t D, std::size_t Patch, nn::real Deviation>
struct vit_convolution : nn::conv2d<C, D, Patch, nn::window{.stride = Patch}> {
  static constexpr auto parameters = nn::detail::with_bias<nn::bias::with>(
      parameter("weight", {D, C, Patch, Patch}, normal(Deviation.value)), D, initial::constant(0));
};

/// PyTorch's `xavier_uniform_` (Glorot, Bengio 2010), of which torchvision starts most products.
constexpr initial xavier_uniform(std::size_t in, std::size_t out) {
  return {initial::distribution::uniform, static_cast<double>(in + out) / 6};
}
/// The products of PyTorch's MultiheadAttention.
template <std::size_t D>
struct in_proj : nn::linear<D, 3 * D> {
  static constexpr std::array parameters{parameter("in_proj_weight", {3 * D, D}, xavier_uniform(D, 3 * D)).of_parent(),
                                         parameter("in_proj_bias", {3 * D}, initial::constant(0)).of_parent()};
};
template <std::size_t D>
struct out_proj : nn::linear<D, D> {
  static constexpr auto parameters = nn::detail::with_bias<nn::bias::with>(
      parameter("weight", {D, D}, initial::uniform_fan_in(D)), D, initial::constant(0));
};
template <std::size_t In, std::size_t Out>
struct mlp_product : nn::linear<In, Out> {
  static constexpr auto parameters = nn::detail::with_bias<nn::bias::with>(
      parameter("weight", {Out, In}, xavier_uniform(In, Out)), Out, initial::normal(1e-6));
};

template <vit_config C>
struct vit_patches {
  static constexpr bool holds = true;
  static_assert(C.patch > 0 && C.image >= C.patch && C.image % C.patch == 0,
                "remat: patches of a vit fill its image; give it an image of a multiple of the patch");
};

template <vit_config C>
struct vit_parts {
  static_assert(vit_patches<C>::holds);
  static constexpr std::size_t rows = (C.image / C.patch) * (C.image / C.patch) + 1;
  template <std::size_t In, std::size_t Out>
  using product = linear<In, Out, C.deviation>;
  using drop = optional_dropout<C.dropout>;
  using norm = nn::layer_norm<C.width, nn::norm_options{.epsilon = C.epsilon}>;
  using patches = vit_convolution<C.channels, C.width, C.patch, C.deviation>;
  using torchvision_patches =
      vit_convolution<C.channels, C.width, C.patch,
                      square_root_of(1.0 / static_cast<double>(C.channels * C.patch * C.patch))>;

  using embeddings = sequential<named<"patch_embeddings", sequential<named<"projection", patches>>>,
                                nn::image_to_sequence, vit_token<"cls_token", C.width, C.deviation>,
                                vit_positions<"position_embeddings", rows, C.width, C.deviation>, drop>;
  using self = parallel<nn::attention<C.heads>, named<"query", product<C.width, C.width>>,
                        named<"key", product<C.width, C.width>>, named<"value", product<C.width, C.width>>>;
  using output = named<"output", sequential<named<"dense", product<C.width, C.width>>, drop>>;
  using block =
      sequential<inlined<residual<sequential<named<"layernorm_before", norm>,
                                             named<"attention", sequential<named<"attention", self>, output>>>>>,
                 inlined<residual<
                     sequential<named<"layernorm_after", norm>,
                                named<"intermediate", sequential<named<"dense", product<C.width, C.inner>>, nn::gelu>>,
                                named<"output", sequential<named<"dense", product<C.inner, C.width>>, drop>>>>>>;
  using model =
      sequential<named<"embeddings", embeddings>, named<"encoder", sequential<named<"layer", repeat<C.blocks, block>>>>,
                 named<"layernorm", norm>>;

  using torchvision_block = sequential<
      inlined<residual<sequential<named<"ln_1", norm>,
                                  named<"self_attention", sequential<in_proj<C.width>, nn::attention<C.heads>,
                                                                     named<"out_proj", out_proj<C.width>>>>,
                                  drop>>>,
      inlined<residual<
          sequential<named<"ln_2", norm>, named<"mlp", sequential<mlp_product<C.width, C.inner>, nn::gelu, drop,
                                                                  mlp_product<C.inner, C.width>, drop>>>>>>;
};

/// Those of files, and those that transformers 5 gives the parameters.
constexpr weight_names vit_names(const vit_config& c, bool has_head) {
  weight_names made{.prefix = "vit.",
                    .spellings = {{{"layers.", "encoder.layer."},
                                   {"attention.q_proj", "attention.attention.query"},
                                   {"attention.k_proj", "attention.attention.key"},
                                   {"attention.v_proj", "attention.attention.value"},
                                   {"attention.o_proj", "attention.output.dense"},
                                   {"mlp.fc1", "intermediate.dense"},
                                   {"mlp.fc2", "output.dense"}}},
                    .ignored = {"vit.pooler.*"},
                    .model_types = {"vit"},
                    .configuration = {{{"num_attention_heads", static_cast<double>(c.heads)},
                                       {"layer_norm_eps", c.epsilon},
                                       {"hidden_act", 0, "gelu"}}}};
  if (!has_head) made.ignored[1] = "classifier.*";
  return made;
}
/// Those of files; the older ones of torchvision call the products of the mlp otherwise.
constexpr weight_names torchvision_vit_names() {
  return {.spellings = {
              {{"layers.encoder_layer_", "layers.", true}, {"mlp.linear_1", "mlp.0"}, {"mlp.linear_2", "mlp.3"}}}};
}

}  // namespace detail

/// With its head: logits (classes).
template <vit_config C = vit_base_16>
struct vit : module {
  static constexpr std::string_view kind = "vit";
  using parts = detail::vit_parts<C>;
  using body = sequential<named<"vit", typename parts::model>, nn::select_row<0>,
                          named<"classifier", typename parts::template product<C.width, C.classes>>>;
  static constexpr weight_names names = detail::vit_names(C, true);
};

/// The rows of the class token and of the patches, (1 + patches, width).
template <vit_config C = vit_base_16>
struct vit_without_head : module {
  static constexpr std::string_view kind = "vit";
  using body = sequential<named<"vit", typename detail::vit_parts<C>::model>>;
  static constexpr weight_names names = detail::vit_names(C, false);
};

/// torchvision's, with its head: logits (classes).
template <vit_config C = vit_b_16>
struct torchvision_vit : module {
  static constexpr std::string_view kind = "vit";
  using parts = detail::vit_parts<C>;
  using encoder = sequential<detail::vit_positions<"pos_embedding", parts::rows, C.width, C.deviation>,
                             typename parts::drop, named<"layers", repeat<C.blocks, typename parts::torchvision_block>>,
                             named<"ln", typename parts::norm>>;
  using body = sequential<named<"conv_proj", typename parts::torchvision_patches>, nn::image_to_sequence,
                          detail::vit_token<"class_token", C.width, 0.0>, named<"encoder", encoder>, nn::select_row<0>,
                          named<"heads", sequential<named<"head", detail::linear<C.width, C.classes, 0.0>>>>>;
  static constexpr weight_names names = detail::torchvision_vit_names();
};

}  // namespace remat::models
