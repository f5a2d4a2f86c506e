// SPDX-License-Identifier: MIT
/// models step NAME FOLDER     loads a prebuilt model's weights, runs one training step and one prediction, and saves
///                             the weights
/// models copy NAME FOLDER     loads weights, and saves them
///
///     reads   weights           a safetensors file as published
///             tensors/I         the inputs, then the target: float32 or int32, in PyTorch's order
///     writes  saved             the weights
///             results/          loss, outputs, gradients/PATH, states/PATH (as the step leaves them)
///
/// For models.py to compare.
#pragma once

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

namespace prebuilt {

namespace fs = std::filesystem;

template <class Net, class Input, class Loss = remat::nn::cross_entropy>
remat::program lowered() {
  return remat::lower<Net, Input, Loss>();
}

struct named_model {
  std::string_view name;
  remat::program (*lower)();
};

/// The loss of a step, and the outputs of a prediction before it.
inline void run_step(remat::network& net, const fs::path& folder, std::vector<float>& outputs, float& loss) {
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

inline void run(std::span<const named_model> models, std::string_view what, std::string_view name,
                const fs::path& folder) {
  const auto wanted = std::ranges::find(models, name, &named_model::name);
  if (wanted == models.end()) throw remat::error("no model is named '" + std::string(name) + "'");
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

/// What `main` returns.
inline int run(std::span<const named_model> models, int argc, char** argv) try {
  if (argc != 4) throw remat::error("usage: models step|copy NAME FOLDER");
  run(models, argv[1], argv[2], argv[3]);
  return 0;
} catch (const std::exception& failed) {
  std::cerr << "error: " << failed.what() << "\n";
  return 1;
}

}  // namespace prebuilt
