// SPDX-License-Identifier: MIT
/// parity NETWORK FOLDER THREADS
///
/// One training step and one prediction of a network, under several checkpoints, for parity.py to compare.
///
///     reads   tensors/I         the inputs, then the target: float32 or int32, in PyTorch's order
///             weights/PATH      float32, one file for each parameter
///     writes  results/POLICY/   loss, outputs, gradients/PATH, states/PATH (as the step leaves them)
///             masks/PATH        what each dropout multiplies the elements of this batch with, in PyTorch's order
///
/// The first policy is "none". The files hold numbers as they are in memory, and nothing else.
#include "files.hpp"

#include <networks/networks.hpp>
#include <networks/policies.hpp>

#include <remat/nn/attention.hpp>

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

networks::batch read_batch(const remat::program& p, const fs::path& folder) {
  networks::batch made;
  for (int t = 0; t < p.inputs; ++t) {
    const fs::path file = folder / std::to_string(t);
    if (p.tensors[t].type == remat::element::float32)
      made.push_back({read_numbers<float>(file)});
    else
      made.push_back({read_numbers<std::int32_t>(file)});
  }
  return made;
}

/// What a dropout makes of ones in the first step, images as (N, C, H, W).
std::vector<float> mask_of(const remat::program& p, const remat::operation& o, std::size_t batch) {
  const remat::tensor_shape& shape = p.tensors[o.outputs[0]];
  std::vector<float> ones(shape.elements(batch), 1.0f), mask(ones.size());
  remat::kernel_call c;
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

/// What an attention multiplies its probabilities with in the first step, (N, H, T, S).
std::vector<float> attention_mask_of(const remat::program& p, const remat::operation& o, std::size_t batch) {
  namespace detail = remat::nn::detail;
  const auto& a = *static_cast<const detail::attention_attributes*>(o.attributes);
  const std::size_t queries = p.tensors[o.outputs[0]].extents[0], keys = p.tensors[o.inputs[0]].extents[0];
  std::vector<float> mask(batch * a.heads * queries * keys, 1.0f);
  const remat::random_stream random(seed, static_cast<std::uint32_t>(o.occurrence));
  drop_of_queries(detail::attention_dropout(random, a.dropped, a.kept_scale, keys), mask.data(),
                  batch * a.heads * queries, keys, 0, 0);
  return mask;
}

void run_step(remat::network& net, const networks::batch& data, const fs::path& weights, const fs::path& results) {
  for (const remat::parameter_view& p : net.parameters()) {
    const std::vector<float> values = read_numbers<float>(weights / p.name);
    if (values.size() != p.values.size()) throw remat::error(p.name + " has another size in PyTorch");
    std::ranges::copy(values, p.values.begin());
  }
  const float loss = train_step(net, data);
  write_numbers(results / "loss", std::span(&loss, 1));
  for (const remat::parameter_view& p : net.parameters())
    if (!p.gradient.empty()) write_numbers(results / "gradients" / p.name, p.gradient);
  for (const remat::state_view& s : net.states()) write_numbers(results / "states" / s.name, s.values);
  const auto inputs = std::span(data).first(static_cast<std::size_t>(net.lowered().inputs - net.lowered().targets));
  write_numbers(results / "outputs",
                networks::with(inputs, [&](const auto&... tensors) { return net.predict(tensors...); }));
}

void write_masks(const remat::program& p, const networks::batch& data, const fs::path& folder) {
  const std::size_t batch = source_of(data[0]).size / p.tensors[0].elements();
  for (const remat::operation& o : p.operations) {
    const fs::path file = folder / remat::path_of(p, o.node);
    if (o.kind == "dropout") write_numbers(file, mask_of(p, o, batch));
    if (o.kind == "attention" && static_cast<const remat::nn::detail::attention_attributes*>(o.attributes)->dropped > 0)
      write_numbers(file, attention_mask_of(p, o, batch));
  }
}

void run(const networks::network& wanted, const fs::path& folder, int threads, bool rounds) {
  const remat::program p = wanted.lower();
  const networks::batch data = read_batch(p, folder / "tensors");
  remat::model_options options{.seed = seed, .threads = threads};
  if (rounds) options.compute = remat::element::bfloat16;
  write_masks(p, data, folder / "masks");
  for (const char* name : {"none", "all as one", "each", "blocks in groups in all", "policies within one another"}) {
    remat::model_options with_policy = options;
    with_policy.checkpoints = networks::policy_named(name).checkpoints(wanted, p);
    remat::network net = make(wanted, p, with_policy);
    run_step(net, data, folder / "weights", folder / "results" / name);
  }
  for (const networks::tagged& type : wanted.as_types) {
    remat::network net = make(wanted, type.lower(), options);
    run_step(net, data, folder / "weights", folder / "results" / ("type with " + std::string(type.name)));
  }
}

}  // namespace

int main(int argc, char** argv) {
  try {
    if (argc != 5) throw remat::error("usage: parity NETWORK FOLDER THREADS float32|bfloat16");
    run(networks::named(argv[1]), argv[2], std::stoi(argv[3]), std::string_view(argv[4]) == "bfloat16");
  } catch (const std::exception& e) {
    std::cerr << "error: " << e.what() << "\n";
    return 1;
  }
}
