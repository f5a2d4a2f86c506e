// SPDX-License-Identifier: MIT
/// models step NAME FOLDER     loads a prebuilt model's weights, runs one training step and one prediction, and saves
/// them models copy NAME FOLDER     loads weights, and saves them
///
///     reads   weights           a safetensors file as published
///             tensors/I         the inputs, then the target: float32 or int32, in PyTorch's order
///     writes  saved             the weights
///             results/          loss, outputs, gradients/PATH, states/PATH (as the step leaves them)
///
/// For models.py to compare.
#include "files.hpp"

#include <remat/remat.hpp>
#include <remat/weights.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace fs = std::filesystem;
namespace nn = remat::nn;

namespace {

using namespace remat::models;
using remat::image, remat::tensor;

template <std::size_t T>
using tokens = tensor<std::int32_t, T>;

constexpr gpt2_config small_gpt2{.vocabulary = 61, .positions = 40, .width = 24, .heads = 3, .blocks = 3, .dropout = 0};
constexpr llama_config small_llama{.vocabulary = 43,
                                   .width = 24,
                                   .heads = 4,
                                   .key_value_heads = 2,
                                   .blocks = 3,
                                   .inner = 40,
                                   .epsilon = 1e-6,
                                   .rotary = {.theta = 500000, .factor = 8, .original_positions = 16}};
constexpr llama_config tied_llama{
    .vocabulary = 43, .width = 24, .heads = 4, .key_value_heads = 1, .blocks = 2, .inner = 40, .tied = true};
constexpr bert_config small_bert{
    .vocabulary = 37, .positions = 20, .width = 16, .heads = 2, .blocks = 2, .inner = 40, .dropout = 0};
constexpr vit_config small_vit{
    .image = 16, .patch = 4, .width = 16, .heads = 2, .blocks = 2, .inner = 40, .classes = 5, .epsilon = 1e-6};
constexpr unet_config small_unet{.channels = 3, .classes = 4, .width = 6, .depth = 2};

template <class Net, class Input, class Loss = nn::cross_entropy>
remat::program lowered() {
  return remat::lower<Net, Input, Loss>();
}

struct named_model {
  std::string_view name;
  remat::program (*lower)();
};
constexpr named_model all[] = {
    {"gpt2", &lowered<gpt2<small_gpt2>, tokens<33>>},
    {"gpt2_loss", &lowered<gpt2_without_head<small_gpt2>, tokens<33>, gpt2_loss<small_gpt2>>},
    {"llama", &lowered<llama<small_llama>, tokens<33>>},
    {"llama_tied", &lowered<llama_without_head<tied_llama>, tokens<33>, llama_loss<tied_llama>>},
    {"bert", &lowered<bert_for_sequence_classification<small_bert, 3>, bert_input<17>>},
    {"bert_tokens", &lowered<bert_for_token_classification<small_bert, 3>, bert_input<17>>},
    {"bert_masked_lm", &lowered<bert_for_masked_lm<small_bert>, bert_input<17>>},
    {"vit", &lowered<vit<small_vit>, image<float, 3, 16, 16>>},
    {"torchvision_vit", &lowered<torchvision_vit<small_vit>, image<float, 3, 16, 16>>},
    {"resnet18", &lowered<resnet18<resnet_config{.classes = 7}>, image<float, 3, 40, 36>>},
    {"resnet50", &lowered<resnet50<resnet_config{.classes = 7}>, image<float, 3, 40, 36>>},
    {"unet", &lowered<unet<small_unet>, image<float, 3, 12, 8>>},
};

/// The loss of a step, and the outputs of a prediction before it.
void run_step(remat::network& net, const fs::path& folder, std::vector<float>& outputs, float& loss) {
  const remat::program& p = net.lowered();
  const fs::path tensors = folder / "tensors";
  const auto integers = [&](int i) { return read_numbers<std::int32_t>(tensors / std::to_string(i)); };
  const auto keep = [&](std::span<const float> given) { outputs.assign(given.begin(), given.end()); };
  if (p.tensors[0].type == remat::element::float32) {
    keep(net.predict(read_numbers<float>(tensors / "0")));
    loss = net.train_step(read_numbers<float>(tensors / "0"), integers(1));
  } else if (p.inputs == 2) {
    keep(net.predict(integers(0)));
    loss = net.train_step(integers(0), integers(1));
  } else {
    keep(net.predict(integers(0), integers(1), integers(2)));
    loss = net.train_step(integers(0), integers(1), integers(2), integers(3));
  }
}

void run(std::string_view what, std::string_view name, const fs::path& folder) {
  const named_model* const wanted = std::ranges::find(all, name, &named_model::name);
  if (wanted == std::end(all)) throw remat::error("no model is named '" + std::string(name) + "'");
  remat::network net(wanted->lower(), {.seed = 7, .threads = 1});
  remat::load_weights(net, folder / "weights");
  remat::save_weights(net, folder / "saved");
  if (what != "step") return;
  std::vector<float> outputs;
  float loss = 0;
  run_step(net, folder, outputs, loss);
  const fs::path results = folder / "results";
  write_numbers(results / "outputs", outputs);
  write_numbers(results / "loss", std::span(&loss, 1));
  for (const remat::parameter_view& p : net.parameters()) write_numbers(results / "gradients" / p.name, p.gradient);
  for (const remat::state_view& s : net.states()) write_numbers(results / "states" / s.name, s.values);
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc != 4) throw remat::error("usage: models step|copy NAME FOLDER");
  run(argv[1], argv[2], argv[3]);
} catch (const std::exception& failed) {
  std::cerr << "error: " << failed.what() << "\n";
  return 1;
}
