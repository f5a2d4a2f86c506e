// SPDX-License-Identifier: MIT
// Budgets of all that a rank holds: what a step then takes is what was planned, and within them; the bits stay as they
// are.
#include "same_bits.hpp"

#include <networks/networks.hpp>

#include <remat/remat.hpp>

#include <catch2/catch.hpp>

#include <cstddef>
#include <fstream>
#include <string>
#include <vector>

#include <sys/resource.h>
#include <unistd.h>

namespace rank_budget_tests {

using Catch::Matchers::Contains;
using networks::network;
using remat::budget, remat::checkpoint_at, remat::memory_report, remat::of_rank;

remat::network with(const network& n, std::size_t bytes, std::size_t microbatches = 1, std::size_t other_bytes = 0) {
  return make(n, {.threads = 1,
                  .checkpoints = {checkpoint_at("", budget{of_rank(bytes)})},
                  .other_bytes = other_bytes,
                  .microbatches = microbatches});
}
/// All but the resident set.
void check_same(const memory_report& planned, const memory_report& held) {
  CHECK(held.weights == planned.weights);
  CHECK(held.gradients == planned.gradients);
  CHECK(held.states == planned.states);
  CHECK(held.optimizer == planned.optimizer);
  CHECK(held.activations == planned.activations);
  CHECK(held.transient_gradients == planned.transient_gradients);
  CHECK(held.packed == planned.packed);
  CHECK(held.scratch == planned.scratch);
  CHECK(held.tables == planned.tables);
}
std::size_t smallest(remat::network& model, std::size_t samples, remat::parameter_updater& optimizer) {
  try {
    (void)model.planned_memory(samples, optimizer);
  } catch (const remat::error& e) {
    const std::string text = e.what(), before = "a step fits is ";
    return std::stoul(text.substr(text.find(before) + before.size()));
  }
  FAIL("a byte is enough");
  return 0;
}

TEST_CASE("memory is planned for at least one sample") {
  const remat::network model = networks::make(networks::named("rows"), {.threads = 1});
  CHECK_THROWS_WITH(model.planned_memory(0), Catch::Matchers::Contains("at least one sample"));
}

TEST_CASE("on every network, a step of the smallest budget of the whole rank takes what is planned, to the same bits",
          "[once]") {
  int smaller = 0;
  for (const network& n : networks::all()) {
    if (n.name == "chain") continue;  // a thousand links
    INFO(n.name);
    const std::size_t samples = 2 * n.microbatch;
    for (const std::size_t microbatches : {std::size_t{1}, std::size_t{2}}) {
      remat::adamw of_free{{.learning_rate = 0.01f}}, of_tight = of_free, of_least = of_free;
      remat::network free = make(n, {.threads = 1, .microbatches = microbatches});
      remat::network least = with(n, 1, microbatches);
      const std::size_t bytes = smallest(least, samples, of_least);
      const std::size_t most = free.planned_memory(samples, of_free).explained();
      REQUIRE(bytes <= most);
      smaller += bytes < most ? 1 : 0;
      remat::network tight = with(n, bytes, microbatches);
      const memory_report planned = tight.planned_memory(samples, of_tight);
      CHECK(planned.explained() <= bytes);
      for (int step = 0; step < 2; ++step) {
        const auto data = random_batch(n, free.lowered(), samples, static_cast<std::uint64_t>(step));
        networks::with(data, [&](const auto&... tensors) {
          const float expected = free.train_step(tensors..., of_free), found = tight.train_step(tensors..., of_tight);
          CHECK(same_bits(expected, found));
        });
        check_same(planned, tight.memory(of_tight));
      }
      const auto all = remat::internals::store(free).value_block(), same = remat::internals::store(tight).value_block();
      CHECK(same_bits(all, same));
    }
  }
  CHECK(smaller > 20);
}

TEST_CASE("a budget of the whole rank counts gradients and optimizer, and is refused before a step takes memory") {
  const network& n = networks::named("gpt");
  remat::network free = make(n, {.threads = 1});
  remat::adam optimizer{{.learning_rate = 0.01f}};
  const std::size_t alone = free.planned_memory(n.microbatch).explained();
  const std::size_t within = free.planned_memory(n.microbatch, optimizer).explained();
  CHECK(free.planned_memory(n.microbatch, optimizer).optimizer >=
        2 * (free.planned_memory(n.microbatch).weights - 64 * 100));
  remat::network least = with(n, 1);
  const std::size_t bytes = smallest(least, n.microbatch, optimizer);
  remat::network refused = with(n, bytes * 98 / 100);
  const auto data = random_batch(n, free.lowered(), n.microbatch, 1);
  networks::with(data, [&](const auto&... tensors) {
    CHECK_THROWS_WITH(refused.train_step(tensors..., optimizer),
                      Contains("of the whole rank") && Contains("too small"));
    CHECK(refused.memory(optimizer).activations + refused.memory(optimizer).gradients + optimizer.bytes() == 0);
    remat::network apart = with(n, alone - 1, 1, 0);
    apart.train_step(tensors...);
    CHECK(apart.memory().explained() < alone);
    CHECK_THROWS_AS(with(n, alone - 1, 1, within).train_step(tensors...), remat::error);
  });
}

TEST_CASE("what else takes memory is counted: another batch size, results, a larger optimizer") {
  const network& n = networks::named("resnet");
  remat::network free = make(n, {.threads = 1});
  remat::sgd plain{{.learning_rate = 0.01f}};
  remat::adam adam{{.learning_rate = 0.01f}};
  const std::size_t bytes = free.planned_memory(n.microbatch, adam).explained();
  remat::network model = with(n, bytes);
  for (int round = 0; round < 2; ++round) {
    for (const std::size_t samples : {n.microbatch, n.microbatch / 2, n.microbatch}) {
      const auto data = random_batch(n, free.lowered(), samples, 1);
      networks::with(data, [&](const auto&... tensors) { model.train_step(tensors..., plain); });
      CHECK(model.memory(plain).explained() <= bytes);
      CHECK(plain.bytes() == 0);
    }
    if (round == 0) continue;
    remat::adam other{{.learning_rate = 0.01f}};
    const auto data = random_batch(n, free.lowered(), n.microbatch, 1);
    networks::with(data, [&](const auto&... tensors) { model.train_step(tensors..., other); });
    CHECK(model.memory(other).explained() <= bytes);
  }
}

TEST_CASE("a step after a prediction, and one in uneven micro-batches, are within the budget that was planned",
          "[once]") {
  for (const char* name : {"resnet", "gpt", "example_01"}) {
    const network& n = networks::named(name);
    INFO(n.name);
    for (const std::size_t microbatches : {std::size_t{1}, std::size_t{2}, std::size_t{3}}) {
      const std::size_t samples = 3 * n.microbatch + 1;
      remat::adam optimizer{{.learning_rate = 0.01f}};
      remat::network least = with(n, 1, microbatches);
      const std::size_t bytes = smallest(least, samples, optimizer);
      remat::network model = with(n, bytes, microbatches), free = make(n, {.threads = 1, .microbatches = microbatches});
      CHECK(model.planned_memory(samples, optimizer).explained() <= bytes);
      const auto data = random_batch(n, model.lowered(), samples, 1), large = random_batch(n, model.lowered(), 40, 2);
      remat::adam other = optimizer;
      for (int round = 0; round < 3; ++round) {
        float found = 0, expected = 0;
        networks::with(data, [&](const auto&... tensors) {
          found = model.train_step(tensors..., optimizer);
          expected = free.train_step(tensors..., other);
        });
        CHECK(same_bits(found, expected));
        CHECK(model.memory(optimizer).explained() <= bytes);
        CHECK(model.plan(samples / microbatches + (samples % microbatches > 0 ? 1 : 0)).activation_bytes > 0);
        std::vector<remat::tensor_source> inputs;
        for (int t = 0; t < model.lowered().inputs - model.lowered().targets; ++t)
          inputs.push_back(source_of(large[static_cast<std::size_t>(t)]));
        model.predict_on(inputs);
      }
    }
  }
}

/// Of the address space of this process.
std::size_t mapped_bytes() {
  std::size_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages;
  return pages * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}
/// While it lives, no more of the address space can be mapped.
class mapping_limit {
 public:
  explicit mapping_limit(std::size_t bytes) {
    getrlimit(RLIMIT_AS, &before_);
    const rlimit limit{bytes, before_.rlim_max};
    REQUIRE(setrlimit(RLIMIT_AS, &limit) == 0);
  }
  mapping_limit(const mapping_limit&) = delete;
  ~mapping_limit() { setrlimit(RLIMIT_AS, &before_); }

 private:
  rlimit before_ = {};
};

TEST_CASE("a process of the planned bytes, and 60 MB for all else, survives 20 steps", "[once]") {
  constexpr std::size_t allowance = 60'000'000;
  for (const char* name : {"example_01", "padded"}) {
    const network& n = networks::named(name);
    INFO(n.name);
    const std::size_t samples = 64 * n.microbatch;
    remat::adam optimizer{{.learning_rate = 0.01f}}, unused = optimizer;
    const auto data = random_batch(n, n.lower(), samples, 1);
    const std::size_t before = mapped_bytes();
    std::size_t bytes = 0;
    {
      remat::network least = with(n, 1);
      bytes = smallest(least, samples, unused);
    }
    const mapping_limit limit(before + bytes + allowance);
    remat::network model = with(n, bytes);
    for (int step = 0; step < 20; ++step)
      networks::with(data, [&](const auto&... tensors) { model.train_step(tensors..., optimizer); });
    CHECK(model.memory(optimizer).explained() <= bytes);
    CHECK(mapped_bytes() - before <= bytes + allowance);
  }
}

}  // namespace rank_budget_tests
