// SPDX-License-Identifier: MIT
// Weights of prebuilt models under the names of published files: prefixes, tied heads, transposed matrices, what is
// skipped, and what is refused.
#include <remat/remat.hpp>
#include <remat/weights.hpp>

#include "same_bits.hpp"
#include "temporary_folder.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace weight_files_tests {

using Catch::Matchers::Contains;

constexpr remat::models::gpt2_config small{
    .vocabulary = 7, .positions = 6, .width = 4, .heads = 2, .blocks = 2, .dropout = 0};
using input = remat::tensor<std::int32_t, 5>;
using gpt2 = remat::model<remat::models::gpt2<small>, input>;
using gpt2_without_head = remat::model<remat::models::gpt2_without_head<small>, input>;

struct values {
  std::vector<std::size_t> shape;
  std::vector<float> numbers;
};
/// The tensors of a file, by name.
using contents = std::map<std::string, values>;

const temporary_folder folder;

contents read(const std::filesystem::path& path) {
  const remat::safetensors_file file(path);
  contents found;
  for (const remat::safetensor& t : file.tensors()) {
    values& v = found[t.name];
    v.shape = t.shape;
    v.numbers.resize(t.elements());
    file.read(t, v.numbers);
  }
  return found;
}

std::filesystem::path write(const contents& tensors) {
  std::vector<remat::safetensor_values> all;
  for (const auto& [name, v] : tensors) all.push_back({name, v.shape, v.numbers});
  remat::write_safetensors(folder.path() / "file", all);
  return folder.path() / "file";
}

template <class Model>
contents saved(const Model& m, const remat::save_options& options = {}) {
  remat::save_weights(m, folder.path() / "saved", options);
  return read(folder.path() / "saved");
}

/// The same under names without their first part.
contents without_prefix(const contents& tensors, const std::string& prefix) {
  contents made;
  for (const auto& [name, v] : tensors) made[name.starts_with(prefix) ? name.substr(prefix.size()) : name] = v;
  return made;
}

bool is_same(const remat::trainable& a, const remat::trainable& b) {
  for (const remat::parameter_view& p : a.parameters())
    if (!std::ranges::equal(p.values, b.parameter(p.name).values)) return false;
  return true;
}

template <class Model>
std::string refusal(const contents& tensors) {
  Model m{{.seed = 5}};
  const contents before = saved(m);
  try {
    remat::load_weights(m, write(tensors));
  } catch (const remat::error& refused) {
    const contents after = saved(m);
    for (const auto& [name, v] : before) CHECK(after.at(name).numbers == v.numbers);
    return refused.what();
  }
  return "";
}

TEST_CASE("a GPT-2 is saved under the names of transformers, its matrices transposed", "[models][weights]") {
  const gpt2 m{{.seed = 1}};
  const contents file = saved(m);
  CHECK(file.size() == 2 + 2 * 12 + 2);
  CHECK(file.at("transformer.wte.weight").shape == std::vector<std::size_t>{7, 4});
  CHECK(file.at("transformer.h.1.ln_2.bias").shape == std::vector<std::size_t>{4});
  const values& matrix = file.at("transformer.h.1.attn.c_attn.weight");
  CHECK(matrix.shape == std::vector<std::size_t>{4, 12});
  const auto inside = m.parameter("transformer.h.1.attn.c_attn.weight").values;
  for (std::size_t in = 0; in < 4; ++in)
    for (std::size_t out = 0; out < 12; ++out) CHECK(matrix.numbers[in * 12 + out] == inside[out * 4 + in]);
  CHECK(saved(m, {.every_name = true}).contains("lm_head.weight"));
  // In two bytes, rounded.
  const contents rounded = saved(m, {.element = remat::element::bfloat16});
  CHECK(rounded.at("transformer.h.1.attn.c_attn.weight").numbers[1] ==
        static_cast<float>(remat::bfloat16(matrix.numbers[1])));
}

TEST_CASE("a GPT-2 is loaded with its prefix or without, with a head and masks or without", "[models][weights]") {
  const gpt2 m{{.seed = 1}};
  const contents file = saved(m);
  contents with_more = without_prefix(file, "transformer.");
  CHECK(with_more.contains("h.0.mlp.c_fc.weight"));
  with_more["h.0.attn.bias"] = {{1, 1, 2, 2}, {1, 0, 1, 1}};
  with_more["h.1.attn.masked_bias"] = {{1}, {-1e4f}};
  with_more["lm_head.weight"] = file.at("transformer.wte.weight");
  for (const contents& each : {file, without_prefix(file, "transformer."), with_more}) {
    gpt2 other{{.seed = 2}};
    remat::load_weights(other, write(each));
    CHECK(is_same(m, other));
    gpt2_without_head headless{{.seed = 3}};
    remat::load_weights(headless, write(each));
    CHECK(is_same(headless, m));
  }
  CHECK(saved(gpt2_without_head{{.seed = 1}}).size() == file.size());
}

TEST_CASE("what a GPT-2's file has beyond, lacks or has in another shape is refused by name", "[models][weights]") {
  const gpt2 m{{.seed = 1}};
  const contents file = saved(m);
  contents changed = file;
  changed["transformer.h.0.attn.mask"] = {{1}, {0}};
  CHECK_THAT(refusal<gpt2>(changed), Contains("unexpected") && Contains("transformer.h.0.attn.mask [1]"));
  changed = file;
  changed.erase("transformer.h.0.attn.c_attn.weight");
  CHECK_THAT(refusal<gpt2>(changed), Contains("missing: transformer.h.0.attn.c_attn.weight [4, 12]"));
  changed = file;
  changed["transformer.h.0.attn.c_attn.weight"].shape = {12, 4};
  CHECK_THAT(refusal<gpt2>(changed),
             Contains("transformer.h.0.attn.c_attn.weight is [12, 4] in the file and [4, 12] in the model"));
  changed = file;
  changed["lm_head.weight"] = changed["transformer.wte.weight"];
  changed["lm_head.weight"].numbers[3] += 1;
  CHECK_THAT(refusal<gpt2>(changed), Contains("not equal in the file") && Contains("lm_head.weight"));
  changed = file;
  changed["wte.weight"] = changed["transformer.wte.weight"];
  CHECK(refusal<gpt2>(changed).empty());
  changed["wte.weight"].numbers[3] += 1;
  CHECK_THAT(refusal<gpt2>(changed), Contains("not equal in the file") && Contains("wte.weight"));
}

TEST_CASE("names are those inside of a block, wherever it is", "[models][weights]") {
  using wrapped = remat::model<
      remat::sequential<remat::named<"backbone", remat::models::gpt2_without_head<small>>, remat::nn::linear<4, 3>>,
      input>;
  const gpt2 m{{.seed = 1}};
  wrapped other{{.seed = 2}};
  remat::load_weights(other, write(without_prefix(saved(m), "transformer.")),
                      {.allow_missing = {"1"}, .rename = {{"", "backbone."}}});
  CHECK(std::ranges::equal(other.parameter("backbone.transformer.h.1.mlp.c_proj.weight").values,
                           m.parameter("transformer.h.1.mlp.c_proj.weight").values));
}

TEST_CASE("a Llama has a head of its own, or that of its embedding", "[models][weights]") {
  constexpr remat::models::llama_config config{
      .vocabulary = 7, .width = 8, .heads = 2, .key_value_heads = 1, .blocks = 2, .inner = 12};
  constexpr remat::models::llama_config with_table{
      .vocabulary = 7, .width = 8, .heads = 2, .key_value_heads = 1, .blocks = 2, .inner = 12, .tied = true};
  using untied = remat::model<remat::models::llama<config>, input>;
  using tied = remat::model<remat::models::llama<with_table>, input>;
  const untied m{{.seed = 1}};
  contents file = saved(m);
  CHECK(file.at("model.layers.1.self_attn.k_proj.weight").shape == std::vector<std::size_t>{4, 8});
  CHECK(file.contains("lm_head.weight"));
  file["model.layers.0.self_attn.rotary_emb.inv_freq"] = {{2}, {1, 0.01f}};
  untied other{{.seed = 2}};
  remat::load_weights(other, write(without_prefix(file, "model.")));
  CHECK(is_same(m, other));
  CHECK_THAT(refusal<tied>(file), Contains("not equal in the file"));
  file.erase("lm_head.weight");
  CHECK_THAT(refusal<untied>(file), Contains("missing: lm_head.weight [7, 8]"));
  CHECK(refusal<tied>(file).empty());
}

TEST_CASE("a BERT is loaded from old spellings, with other heads and a buffer of positions", "[models][weights]") {
  constexpr remat::models::bert_config config{
      .vocabulary = 7, .positions = 6, .width = 4, .heads = 2, .blocks = 1, .inner = 6, .dropout = 0};
  using places = remat::models::bert_input<5>;
  using pretrained = remat::model<remat::models::bert_for_masked_lm<config>, places>;
  using encoder = remat::model<remat::models::bert<config>, places>;
  const pretrained m{{.seed = 1}};
  const encoder with_pooler{{.seed = 3}};
  contents file = saved(m);
  CHECK(file.contains("cls.predictions.bias"));
  CHECK_FALSE(file.contains("cls.predictions.decoder.weight"));
  file["cls.seq_relationship.weight"] = {{2, 4}, std::vector<float>(8)};
  file["bert.embeddings.position_ids"] = {{1, 6}, std::vector<float>(6)};
  for (const auto& [name, v] : saved(with_pooler))
    if (name.starts_with("bert.pooler.")) file[name] = v;
  contents old;
  for (const auto& [name, v] : file) {
    const std::size_t norm = name.find("LayerNorm.");
    old[norm == name.npos          ? name
        : name.ends_with("weight") ? name.substr(0, norm) + "LayerNorm.gamma"
                                   : name.substr(0, norm) + "LayerNorm.beta"] = v;
  }
  CHECK(old.contains("bert.encoder.layer.0.attention.output.LayerNorm.gamma"));
  for (const contents& each : {file, old, without_prefix(old, "bert.")}) {
    pretrained other{{.seed = 2}};
    remat::load_weights(other, write(each));
    CHECK(is_same(m, other));
    encoder headless{{.seed = 4}};
    remat::load_weights(headless, write(each));
    CHECK(std::ranges::equal(headless.parameter("bert.pooler.dense.weight").values,
                             with_pooler.parameter("bert.pooler.dense.weight").values));
    CHECK(std::ranges::equal(headless.parameter("bert.embeddings.LayerNorm.weight").values,
                             m.parameter("bert.embeddings.LayerNorm.weight").values));
  }
  // The decoder's bias under both of its names, and those that are not equal.
  file["cls.predictions.decoder.bias"] = file.at("cls.predictions.bias");
  CHECK(refusal<pretrained>(file).empty());
  file["cls.predictions.decoder.bias"].numbers[0] += 1;
  CHECK_THAT(refusal<pretrained>(file), Contains("not equal in the file"));
}

TEST_CASE("a BERT gives hidden states, of which the first are pooled, and what is masked does not count", "[models]") {
  constexpr remat::models::bert_config config{
      .vocabulary = 7, .positions = 6, .width = 4, .heads = 2, .blocks = 2, .inner = 6, .dropout = 0};
  remat::model<remat::models::bert<config>, remat::models::bert_input<5>> m{{.seed = 1}};
  const std::vector<std::int32_t> types{0, 0, 1, 1, 1}, mask{1, 1, 1, 0, 0};
  const auto run = [&](const std::vector<std::int32_t>& words) {
    const std::span<const float> hidden = m.predict(words, types, mask);
    return std::pair(std::vector<float>(hidden.begin(), hidden.end()),
                     std::vector<float>(m.output(1).begin(), m.output(1).end()));
  };
  const auto [hidden, pooled] = run({1, 2, 3, 4, 5});
  REQUIRE(hidden.size() == 20);
  const auto weight = m.parameter("bert.pooler.dense.weight").values,
             bias = m.parameter("bert.pooler.dense.bias").values;
  for (std::size_t i = 0; i < 4; ++i) {
    float sum = bias[i];
    for (std::size_t k = 0; k < 4; ++k) sum += weight[4 * i + k] * hidden[k];
    CHECK(pooled[i] == Approx(std::tanh(sum)));
  }
  CHECK(run({1, 2, 3, 6, 0}).second == pooled);
  CHECK(run({1, 2, 4, 4, 5}).second != pooled);
}

TEST_CASE("a vision transformer is saved as torchvision spells its layers, and loaded from either spelling",
          "[models][weights]") {
  constexpr remat::models::vit_config config{
      .image = 4, .patch = 2, .channels = 1, .width = 4, .heads = 2, .blocks = 2, .inner = 6, .classes = 3};
  using photo = remat::image<float, 1, 4, 4>;
  using vit = remat::model<remat::models::vit<config>, photo>;
  using torchvision = remat::model<remat::models::torchvision_vit<config>, photo>;
  const torchvision m{{.seed = 1}};
  const contents file = saved(m);
  CHECK(file.at("class_token").shape == std::vector<std::size_t>{1, 1, 4});
  CHECK(file.at("encoder.pos_embedding").shape == std::vector<std::size_t>{1, 5, 4});
  CHECK(file.at("encoder.layers.encoder_layer_1.self_attention.in_proj_bias").shape == std::vector<std::size_t>{12});
  CHECK(refusal<torchvision>(file).empty());
  CHECK_FALSE(refusal<vit>(file).empty());
  contents older = file;
  for (const std::string block : {"encoder.layers.encoder_layer_0.mlp.", "encoder.layers.encoder_layer_1.mlp."})
    for (const auto& [now, before] : {std::pair{"0.", "linear_1."}, {"3.", "linear_2."}})
      for (const std::string part : {"weight", "bias"}) {
        older[block + before + part] = older.at(block + now + part);
        older.erase(block + now + part);
      }
  CHECK(older.contains("encoder.layers.encoder_layer_1.mlp.linear_2.bias"));
  CHECK(refusal<torchvision>(older).empty());

  const vit of_transformers{{.seed = 1}};
  contents newer = saved(of_transformers);
  CHECK(newer.at("vit.embeddings.cls_token").shape == std::vector<std::size_t>{1, 1, 4});
  newer["vit.layers.0.attention.q_proj.weight"] = newer.at("vit.encoder.layer.0.attention.attention.query.weight");
  newer.erase("vit.encoder.layer.0.attention.attention.query.weight");
  newer["layers.1.mlp.fc1.bias"] = newer.at("vit.encoder.layer.1.intermediate.dense.bias");
  newer.erase("vit.encoder.layer.1.intermediate.dense.bias");
  vit other{{.seed = 2}};
  remat::load_weights(other, write(newer));
  CHECK(is_same(of_transformers, other));
}

TEST_CASE("a vision transformer of torchvision starts as torchvision's", "[models]") {
  constexpr remat::models::vit_config config{
      .image = 8, .patch = 4, .channels = 2, .width = 32, .heads = 2, .blocks = 1, .inner = 64, .classes = 5};
  const remat::model<remat::models::torchvision_vit<config>, remat::image<float, 2, 8, 8>> m{{.seed = 1}};
  const auto largest = [&](const std::string& name) {
    float found = 0;
    for (const float each : m.parameter(name).values) found = std::max(found, std::abs(each));
    return found;
  };
  for (const char* name : {"class_token", "heads.head.weight", "heads.head.bias", "conv_proj.bias",
                           "encoder.layers.0.self_attention.in_proj_bias"})
    CHECK(same_bits(m.parameter(name).values, std::vector<float>(m.parameter(name).values.size())));
  const std::string block = "encoder.layers.0.";
  CHECK(largest(block + "mlp.0.bias") < 1e-5f);
  CHECK(largest(block + "mlp.0.bias") > 0);
  const float bound = std::sqrt(6.0f / (32 + 3 * 32));  // of Xavier's uniform numbers
  CHECK(largest(block + "self_attention.in_proj_weight") <= bound);
  CHECK(largest(block + "self_attention.in_proj_weight") > 0.98f * bound);
  CHECK(largest(block + "self_attention.out_proj.weight") <= std::sqrt(1.0f / 32));
}

TEST_CASE("a loss that computes the logits has the head's weight", "[models][weights]") {
  remat::model<remat::models::gpt2<small>, input, remat::nn::cross_entropy> with_logits{{.seed = 1}};
  remat::model<remat::models::gpt2_without_head<small>, input, remat::models::gpt2_loss<small>> without{{.seed = 2}};
  remat::save_weights(with_logits, folder.path() / "saved");
  remat::load_weights(without, folder.path() / "saved");
  const std::vector<std::int32_t> tokens{0, 1, 2, 3, 4, 6, 5, 4, 3, 2}, next{1, 2, 3, 4, 5, 5, 4, 3, 2, 1};
  const float loss = with_logits.train_step(tokens, next);
  CHECK(without.train_step(tokens, next) == Approx(loss));
  CHECK(saved(without, {.every_name = true}).contains("lm_head.weight"));
}

/// The warnings while a Model's weights are loaded from a folder with this config.json.
template <class Model>
std::vector<std::string> warnings_with(const std::string& configuration, const std::filesystem::path& weights) {
  const temporary_folder published;
  std::filesystem::copy(weights, published.path() / "model.safetensors");
  published.write("config.json", configuration);
  std::vector<std::string> all;
  remat::send_warnings_to([&](const remat::warning& w) { all.push_back(w.name + ": " + w.text); });
  Model m{{.seed = 3}};
  remat::load_weights(m, published.path());
  remat::send_warnings_to({});
  return all;
}

TEST_CASE("a config.json of another model than this one is a warning, and its weights are loaded",
          "[models][weights]") {
  const auto path = write(saved(gpt2{{.seed = 1}}));
  const auto of = [&](const std::string& text) { return warnings_with<gpt2>(text, path); };
  CHECK(of(R"({"model_type": "gpt2", "n_head": 2, "layer_norm_epsilon": 1e-05, "activation_function": "gelu_new"})")
            .empty());
  CHECK(of(R"({"n_head": 5})").empty());  // of no model that says which
  CHECK(of("no JSON").empty());
  CHECK(of(R"({"model_type": 7, "n_head": 5})").empty());
  const auto all =
      of(R"({"model_type": "other", "n_head": 4, "layer_norm_epsilon": 1e-6, "activation_function": "relu"})");
  REQUIRE(all.size() == 1);
  CHECK_THAT(all[0],
             Contains("other_configuration: ") && Contains("config.json is of another model") &&
                 Contains("model_type is 'other' and here 'gpt2', n_head is 4 and here 2, layer_norm_epsilon is "
                          "1e-06 and here 1e-05, activation_function is 'relu' and here 'gelu_new';"));
}

TEST_CASE("what a Llama's configuration says of its rotary embedding is compared, wherever it says it",
          "[models][weights]") {
  constexpr remat::models::llama_config config{.vocabulary = 7,
                                               .width = 8,
                                               .heads = 2,
                                               .key_value_heads = 1,
                                               .blocks = 1,
                                               .inner = 4,
                                               .rotary = {.theta = 500000, .factor = 32}};
  using llama = remat::model<remat::models::llama<config>, input>;
  const auto path = write(saved(llama{{.seed = 1}}));
  const auto of = [&](const std::string& text) {
    return warnings_with<llama>(R"({"model_type": "llama", )" + text + "}", path);
  };
  CHECK(
      of(R"("rope_theta": 500000.0, "rope_scaling": {"factor": 32.0, "rope_type": "llama3"}, "num_attention_heads": 2)")
          .empty());
  CHECK(of(R"("rope_parameters": {"rope_theta": 500000, "factor": 32, "rope_type": "llama3"})").empty());
  CHECK(of(R"("rope_scaling": null)").empty());
  const auto all = of(R"("rope_parameters": {"rope_theta": 10000, "rope_type": "linear", "factor": 2.0})");
  REQUIRE(all.size() == 1);
  CHECK_THAT(all[0],
             Contains("rope_theta is 10000 and here 500000, rope_type is 'linear' and here 'llama3', factor is 2 "
                      "and here 32;"));
}

TEST_CASE("a RoBERTa is a BERT whose first place has the third row of its table", "[models][weights]") {
  constexpr remat::models::bert_config config{.vocabulary = 9,
                                              .positions = 8,
                                              .first_position = 2,
                                              .types = 1,
                                              .width = 4,
                                              .heads = 2,
                                              .blocks = 1,
                                              .inner = 4,
                                              .dropout = 0};
  constexpr auto bert_of_same_shapes = [=] {
    auto made = config;
    made.first_position = 0;
    return made;
  }();
  using places = remat::models::bert_input<5>;
  using roberta = remat::model<remat::models::bert_without_pooler<config>, places>;
  using bert = remat::model<remat::models::bert_without_pooler<bert_of_same_shapes>, places>;
  roberta m{{.seed = 1}};
  const auto path = write(saved(m));
  const std::string configuration = R"({"model_type": "xlm-roberta", "pad_token_id": 1})";
  CHECK(warnings_with<roberta>(configuration, path).empty());
  const auto all = warnings_with<bert>(configuration, path);
  REQUIRE(all.size() == 1);
  CHECK_THAT(all[0], Contains("model_type is 'xlm-roberta' and here 'bert'"));

  contents published = read(path);  // as the hub has it
  for (const auto& [name, v] : read(path)) {
    published["roberta." + name.substr(std::string("bert.").size())] = v;
    published.erase(name);
  }
  published["lm_head.bias"] = {{9}, std::vector<float>(9)};
  roberta from_hub{{.seed = 4}};
  remat::load_weights(from_hub, write(published),
                      {.allow_unexpected = {"lm_head.*"}, .rename = {{"roberta.", "bert."}}});
  CHECK(is_same(m, from_hub));
  remat::save_weights(m, path);

  bert moved{{.seed = 2}};
  remat::load_weights(moved, path);
  const std::vector<std::int32_t> tokens{3, 1, 4, 1, 5}, types(5), mask(5, 1);
  const auto expected = m.predict(tokens, types, mask);
  const std::vector<float> of_roberta(expected.begin(), expected.end());
  const std::span<float> table = moved.parameter("bert.embeddings.position_embeddings.weight").values;
  CHECK(!std::ranges::equal(moved.predict(tokens, types, mask), of_roberta));
  std::copy(table.begin() + 2 * 4, table.end(), table.begin());
  CHECK(std::ranges::equal(moved.predict(tokens, types, mask), of_roberta));
}

TEST_CASE("tied weights of two element types are equal where their numbers are", "[models][weights]") {
  gpt2 m{{.seed = 1}};
  for (float& each : m.parameter("transformer.wte.weight").values) each = static_cast<float>(remat::bfloat16(each));
  const auto table = m.parameter("transformer.wte.weight");
  remat::save_weights(m, folder.path() / "saved", {.element = remat::element::bfloat16});
  const remat::safetensors_file file(folder.path() / "saved");
  const auto with_head = [&](float more) {
    std::vector<float> head(table.values.begin(), table.values.end());
    head.back() += more;
    std::string bytes = temporary_folder::stored(folder.path() / "saved");
    std::uint64_t length;
    std::memcpy(&length, bytes.data(), sizeof length);
    std::string header = bytes.substr(8, length);
    header.erase(header.rfind('}'));
    const std::size_t begin = bytes.size() - 8 - length, end = begin + head.size() * sizeof(float);
    header += R"(,"lm_head.weight":{"dtype":"F32","shape":[7,4],"data_offsets":[)" + std::to_string(begin) + "," +
              std::to_string(end) + "]}}";
    header.resize((header.size() + 7) / 8 * 8, ' ');
    length = header.size();
    return folder.write("with_head", std::string(reinterpret_cast<const char*>(&length), sizeof length) + header +
                                         bytes.substr(bytes.size() - begin) +
                                         std::string(reinterpret_cast<const char*>(head.data()), end - begin));
  };
  gpt2 other{{.seed = 2}};
  CHECK_NOTHROW(remat::load_weights(other, with_head(0)));
  CHECK_THROWS_WITH(remat::load_weights(other, with_head(1)), Contains("not equal in the file"));
}

}  // namespace weight_files_tests
