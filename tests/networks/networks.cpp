// SPDX-License-Identifier: MIT
#include "networks.hpp"

#include "list.hpp"

#include <remat/core/policies.hpp>
#include <remat/plan/annotate.hpp>
#include <remat/plan/fuse.hpp>
#include <remat/plan/plan.hpp>

#include <algorithm>
#include <utility>

namespace networks {
namespace {

std::vector<float> floats(std::size_t count, float low, float high, const remat::random_stream& stream) {
  std::vector<float> made(count);
  for (std::size_t i = 0; i < count; ++i)
    made[i] = low + (high - low) * remat::random_stream::uniform(stream.block(i)[0]);
  return made;
}
std::vector<std::int32_t> integers(std::size_t count, int below, const remat::random_stream& stream) {
  std::vector<std::int32_t> made(count);
  for (std::size_t i = 0; i < count; ++i)
    made[i] = static_cast<std::int32_t>(stream.block(i)[0] % static_cast<std::uint32_t>(below));
  return made;
}

}  // namespace

std::span<const network> all() {
  static const std::vector<network> networks = list();
  return networks;
}

const network& named(std::string_view name) {
  const auto found = std::ranges::find(all(), name, &network::name);
  if (found == all().end()) throw remat::error("no network is named '" + std::string(name) + "'");
  return *found;
}

remat::network make(const network& wanted, const remat::model_options& options) {
  return make(wanted, wanted.lower(), options);
}

remat::network make(const network& wanted, remat::program program, const remat::model_options& options) {
  remat::model_options with_frozen = options;
  with_frozen.frozen = wanted.frozen;
  remat::network made(std::move(program), with_frozen);
  if (wanted.start != nullptr) wanted.start(made);
  return made;
}

remat::tensor_source source_of(const values& tensor) {
  return std::visit([](const auto& numbers) { return remat::source_of(numbers); }, tensor.numbers);
}

batch random_batch(const network& wanted, const remat::program& p, std::size_t samples, std::uint64_t seed) {
  batch made;
  for (int t = 0; t < p.inputs; ++t) {
    const bool is_target = t >= p.inputs - p.targets;
    const std::size_t count = p.tensors[t].elements(samples);
    const remat::random_stream stream(seed, 77, static_cast<std::uint32_t>(t));
    if (p.tensors[t].type == remat::element::float32)
      made.push_back({floats(count, is_target ? 0 : -1, 1, stream)});
    else
      made.push_back({integers(count, is_target ? wanted.classes : wanted.vocabulary, stream)});
  }
  return made;
}

bool has_uniform_chain(const network& n) {
  try {
    remat::program p = n.lower();
    remat::annotate(p, remat::checkpoints{remat::checkpoint_at(n.chain, remat::revolve{1})});
    (void)remat::plan_training(remat::fuse(std::move(p)), n.microbatch);
    return true;
  } catch (const remat::error&) {
    return false;
  }
}

float train_step(remat::network& model, const batch& data) {
  return with(data, [&](const auto&... tensors) { return model.train_step(tensors...); });
}

}  // namespace networks
