// SPDX-License-Identifier: MIT
/// parity NETWORK FOLDER THREADS
///
/// One training step and one prediction of a network, under each of several checkpoints, for parity.py to compare.
///
///     reads   inputs, targets   float32, in PyTorch's order, or int32
///             weights/PATH      float32, one file for each parameter
///     writes  POLICY/loss, POLICY/outputs, POLICY/gradients/PATH, POLICY/states/PATH (behind the step)
///             masks/PATH        what each dropout multiplies the elements of this batch with, in PyTorch's order
///
/// A policy is where checkpoints are: `tags` as in the type, `none`, `all` (the whole model is one), `each` (each child
/// of the model is one). The files hold numbers as they lie in memory, and nothing else.
#include "networks.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace fs = std::filesystem;

namespace {

constexpr std::uint64_t seed = 7;  // of the masks
constexpr std::string_view dropout = remat::nn::dropout<>::kind;

template <class T>
std::vector<T> read(const fs::path& file) {
  std::vector<T> values(fs::file_size(file) / sizeof(T));
  std::ifstream in(file, std::ios::binary);
  in.read(reinterpret_cast<char*>(values.data()), static_cast<std::streamsize>(values.size() * sizeof(T)));
  if (!in) throw remat::error("cannot read " + file.string());
  return values;
}

void write(const fs::path& file, std::span<const float> values) {
  fs::create_directories(file.parent_path());
  std::ofstream out(file, std::ios::binary);
  out.write(reinterpret_cast<const char*>(values.data()), static_cast<std::streamsize>(values.size_bytes()));
  if (!out.flush()) throw remat::error("cannot write " + file.string());
}

/// What a dropout makes of ones in the first step, images as (N, C, H, W).
std::vector<float> mask_of(const remat::program& p, const remat::operation& o, std::size_t batch) {
  const remat::tensor_shape& shape = p.tensors[o.outputs[0]];
  std::vector<float> ones(shape.elements(batch), 1.0f), mask(ones.size());
  remat::call c;
  c.module_attributes = o.attributes;
  c.batch = batch;
  c.input_shapes[0] = c.output_shapes[0] = &shape;
  c.inputs[0] = reinterpret_cast<std::byte*>(ones.data());
  c.outputs[0] = reinterpret_cast<std::byte*>(mask.data());
  const remat::random_stream random(seed, static_cast<std::uint32_t>(o.occurrence));
  o.kernels->forward(remat::forward_pass(c, true, random));
  if (!shape.is_image()) return mask;

  std::vector<float> reordered(mask.size());
  const std::size_t channels = shape.channels(), pixels = shape.height() * shape.width();
  for (std::size_t i = 0; i < mask.size(); ++i) {
    const std::size_t channel = i % channels, pixel = i / channels % pixels, sample = i / channels / pixels;
    reordered[(sample * channels + channel) * pixels + pixel] = mask[i];
  }
  return reordered;
}

using checkpoints = std::vector<remat::checkpoint_at>;
struct policy {
  std::string name;
  std::optional<checkpoints> values;
};

/// The inputs or the targets of a batch.
struct numbers {
  std::vector<float> floats;
  std::vector<std::int32_t> integers;

  numbers(const fs::path& file, remat::element type) {
    if (type == remat::element::float32)
      floats = read<float>(file);
    else
      integers = read<std::int32_t>(file);
  }
  /// f(these), whichever they are.
  auto visit(const auto& f) const { return integers.empty() ? f(floats) : f(integers); }
};

void run(const parity::network& wanted, const fs::path& folder, int threads) {
  const std::vector<policy> policies{
      {"tags", std::nullopt},
      {"none", checkpoints{}},
      {"all", checkpoints{remat::checkpoint_at("")}},
      {"each", checkpoints{remat::checkpoint_at("", remat::strategy::each{})}},
  };
  const remat::program lowered = wanted.lower();
  const numbers inputs(folder / "inputs", lowered.tensors[0].type), targets(folder / "targets", lowered.tensors[1].type);
  for (const policy& each : policies) {
    const fs::path results = folder / each.name;
    remat::network net(wanted.lower(), {.seed = seed, .threads = threads, .checkpoints = each.values});
    for (const remat::parameter_view& p : net.parameters()) {
      const std::vector<float> values = read<float>(folder / "weights" / p.name);
      if (values.size() != p.values.size()) throw remat::error(p.name + " has another size in PyTorch");
      std::ranges::copy(values, p.values.begin());
    }
    const float loss = inputs.visit(
        [&](const auto& x) { return targets.visit([&](const auto& t) { return net.train_step(x, t); }); });
    write(results / "loss", std::span(&loss, 1));
    for (const remat::parameter_view& p : net.parameters()) write(results / "gradients" / p.name, p.gradient);
    for (const remat::state_view& s : net.states()) write(results / "states" / s.name, s.values);
    write(results / "outputs", inputs.visit([&](const auto& x) { return net.predict(x); }));
  }

  const std::size_t batch = inputs.visit([](const auto& x) { return x.size(); }) / lowered.tensors[0].elements();
  for (const remat::operation& o : lowered.operations)
    if (o.kind == dropout) write(folder / "masks" / remat::path_of(lowered, o.node), mask_of(lowered, o, batch));
}

}  // namespace

int main(int argc, char** argv) {
  try {
    if (argc != 4) throw remat::error("usage: parity NETWORK FOLDER THREADS");
    const auto found = std::ranges::find(parity::networks, std::string_view(argv[1]), &parity::network::name);
    if (found == parity::networks.end()) throw remat::error("no network is named '" + std::string(argv[1]) + "'");
    run(*found, argv[2], std::stoi(argv[3]));
  } catch (const std::exception& e) {
    std::cerr << "error: " << e.what() << "\n";
    return 1;
  }
}
