// SPDX-License-Identifier: MIT
// Every network under budgets from the smallest feasible one up, under revolve where its chain is uniform, and with all
// that waits in a file, in one or four micro-batches: losses, gradients, states and parameters after three steps are
// the same bits as without checkpoints.
#include <networks/networks.hpp>

#include <remat/core/revolve.hpp>
#include <remat/plan/budget_search.hpp>
#include <remat/plan/fuse.hpp>
#include <remat/run/offload.hpp>
#include <remat/train/sgd.hpp>

#include <catch2/catch.hpp>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace budget_bit_identity_tests {

using networks::network;
using remat::action_kind, remat::checkpoint_at;

/// Losses, and then gradients, parameters and states.
using bits = std::vector<std::byte>;

struct run {
  bits all;
  std::size_t recomputed = 0, activation_bytes = 0;
};
run train(const network& n, const remat::checkpoints& checkpoints, std::size_t parts) {
  remat::network model = make(n, {.seed = 3, .threads = 1, .checkpoints = checkpoints, .microbatches = parts});
  run made;
  const auto add = [&](std::span<const std::byte> some) { made.all.insert(made.all.end(), some.begin(), some.end()); };
  remat::sgd optimizer{{.learning_rate = 0.02f, .momentum = 0.9f}};
  for (std::uint64_t step = 0; step < 3; ++step) {
    const float loss = train_step(model, random_batch(n, model.lowered(), n.microbatch * parts, step));
    add(std::as_bytes(std::span(&loss, 1)));
    add(remat::internals::store(model).gradient_block());
    optimizer.step(model);
  }
  add(remat::internals::store(model).value_block());
  add(remat::internals::store(model).state_block());
  const remat::plan& planned = remat::internals::training(model, n.microbatch).planned();
  made.recomputed = count(planned, action_kind::recompute);
  made.activation_bytes = planned.activation_bytes;
  return made;
}

/// What the activations of a micro-batch take where everything is kept, and the smallest feasible budget over all
/// modules.
struct range {
  std::size_t smallest, save_all;
};
range bytes_of(const network& n) {
  remat::program p = n.lower();
  remat::annotate(p, remat::checkpoints{checkpoint_at("", remat::budget{std::size_t{1} << 50})});
  const remat::program fused = remat::fuse(std::move(p));
  const remat::plan_request request{.batch = n.microbatch};
  const remat::detail::training_planner planner(fused, request);
  remat::detail::budget_search search(planner, fused, request);
  return {search.smallest(), planner.make().activation_bytes};
}

struct policy {
  std::string_view name;
  double share = 0;  ///< of save_all's bytes, or the smallest feasible ones where these are more
  int slots = 0;     ///< of revolve
};
constexpr policy policies[] = {
    {"the smallest budget", 1e-9}, {"budget of 0.4", 0.4}, {"budget of 0.6", 0.6}, {"budget of 0.8", 0.8},
    {"revolve<1>", 0, 1},          {"revolve<3>", 0, 3},   {"offload<file>"}};

remat::checkpoints checkpoints_of(const network& n, const policy& p) {
  if (p.share > 0) {
    const range of = bytes_of(n);
    const auto bytes = static_cast<std::size_t>(p.share * static_cast<double>(of.save_all));
    return {checkpoint_at("", remat::budget{std::max(bytes, of.smallest)})};
  }
  if (p.slots > 0) return {checkpoint_at(n.chain, remat::revolve{p.slots})};
  remat::offload<remat::file> how;
  how.window.least_bytes = 1;
  return {checkpoint_at("", remat::save_all{}, how)};
}
/// Every `step`-th combination, counted from one that differs between networks.
void compare(std::size_t step) {
  std::size_t number = 0, recomputing = 0, uniform = 0;
  for (const network& n : networks::all()) {
    const bool has_uniform_chain = networks::has_uniform_chain(n);
    uniform += has_uniform_chain ? 1u : 0u;
    for (const std::size_t parts : {std::size_t{1}, std::size_t{4}}) {
      std::optional<run> plain;
      for (const policy& p : policies) {
        if (p.slots > 0 && !has_uniform_chain) continue;
        if (number++ % step != 0) continue;
        INFO(n.name << ", " << p.name << ", " << parts << " micro-batches");
        if (!plain) plain = train(n, remat::checkpoints::none(), parts);
        const run found = train(n, checkpoints_of(n, p), parts);
        CHECK((found.all == plain->all));  // bytes
        if (p.share > 0) CHECK(found.activation_bytes <= plain->activation_bytes);
        recomputing += found.recomputed > 0 ? 1u : 0u;
      }
    }
  }
  CHECK(recomputing > 0);
  CHECK(uniform > 0);
}

TEST_CASE("budgets, revolve and files give the same bits: some of each network, policy and micro-batches", "[once]") {
  compare(11);
}
TEST_CASE("budgets, revolve and files give the same bits on every network, in 1 and 4 micro-batches", "[long]") {
  compare(1);
}

}  // namespace budget_bit_identity_tests
