// SPDX-License-Identifier: MIT
// Replicas: at the same number of them, the bits do not depend on the pipeline of each, on buckets, on when sums
// are taken, or on where the optimizer keeps its numbers.
#include "training.hpp"

#include <catch2/catch.hpp>

#include <cmath>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace replicas_tests {

/// A rank's outcome, completed with what the other ranks of its pipeline hold: by name, sums of bits.
struct digest {
  std::vector<float> losses;
  std::vector<std::uint64_t> of_parameters;  // of every parameter of the program, of rank 0's pipeline

  bool operator==(const digest&) const = default;
};

std::uint64_t hash(std::span<const float> values) {
  remat::fingerprint f;
  f.add({reinterpret_cast<const char*>(values.data()), values.size_bytes()});
  return f.value() >> 1;  // of numbers below 2^63 the largest is found
}

digest digest_of(remat::distributed_network& model, const outcome& made) {
  digest d{made.losses, std::vector<std::uint64_t>(2 * model.lowered().parameters.size())};
  for (std::size_t i = 0; i < made.parameters.size(); ++i) {
    d.of_parameters[2 * remat::internals::store(model).slots()[i]] = hash(made.parameters[i].values);
    d.of_parameters[2 * remat::internals::store(model).slots()[i] + 1] = hash(made.parameters[i].gradient);
  }
  remat::internals::all(model).wait(remat::internals::world(model).largest(d.of_parameters));
  return d;
}

remat::distributed_options options(int partitions, std::size_t microbatches) {
  return {.seed = 3, .threads = 1, .partitions = partitions, .microbatches = microbatches, .logs_partition = false};
}

TEST_CASE("two replicas give the same bits in every configuration", "[even_ranks]") {
  for (const char* name : {"example_01", "unet", "tied", "masked", "nested"}) {
    const networks::network& n = networks::named(name);
    std::optional<digest> expected;
    for (const std::size_t bucket : {std::size_t{0}, std::size_t{4096}, std::size_t{1} << 25})
      for (const auto when : {remat::allreduce::overlapped, remat::allreduce::after})
        for (const bool shards : {false, true})
          for (const auto& map : {remat::rank_map::cluster, remat::rank_map::spread}) {
            INFO(name << ", buckets of " << bucket << ", shards " << shards << ", " << map.name);
            remat::distributed_options how = options(session().size() / 2, 2);
            how.bucket_bytes = bucket;
            how.allreduce = when;
            how.shards_optimizer = shards;
            how.rank_map = map;
            how.frozen = n.frozen;
            how.checkpoints = remat::checkpoints::none();
            if (bucket == 4096) how.checkpoints.push_back(remat::checkpoint_at(n.chain, remat::strategy::each{}));
            if (shards) how.schedule = remat::schedule::zero_bubble;
            remat::silence_warning(remat::warning_names::skipped_checkpoint);
            remat::distributed_network model(session(), n.lower(), how);
            const digest found = digest_of(
                model, train(n, model, n.microbatch * 4, remat::adamw{{.learning_rate = 0.01f, .weight_decay = 0.1f}}));
            if (!expected) expected = found;
            CHECK(found == *expected);
          }
  }
}

TEST_CASE("two replicas average the gradients of two processes, whatever their pipelines", "[even_ranks]") {
  for (const char* name : {"unet", "tied", "resnet"}) {  // no dropout, which draws by the number of the micro-batch
    const networks::network& n = networks::named(name);
    const std::size_t microbatches = 2, half = n.microbatch * microbatches;
    remat::distributed_network model(session(), n.lower(), options(session().size() / 2, microbatches));
    const auto data = networks::random_batch(n, model.lowered(), 2 * half, 1);
    const auto sources = sources_of(data);
    model.train_on(sources);
    std::vector<remat::network> halves;
    for (std::size_t r = 0; r < 2; ++r) {
      halves.push_back(networks::make(n, {.seed = 3, .threads = 1, .microbatches = microbatches}));
      std::vector<remat::tensor_source> mine;
      for (const remat::tensor_source& s : sources) mine.push_back(s.part(r * (s.size / 2), s.size / 2));
      halves.back().train_on(mine);
    }
    for (const remat::parameter_view& p : model.parameters()) {
      std::vector<float> mean;
      for (std::size_t i = 0; i < p.gradient.size(); ++i)  // halving is exact
        mean.push_back((halves[0].parameter(p.name).gradient[i] + halves[1].parameter(p.name).gradient[i]) / 2);
      INFO(name << ", " << p.name);
      CHECK(same_bits(p.gradient, mean));
    }
  }
}

TEST_CASE("three and four replicas give the same bits in every configuration, and are the same", "[from_3_ranks]") {
  for (const char* name : {"resnet", "tied"}) {
    const networks::network& n = networks::named(name);
    std::optional<digest> expected;
    for (const std::size_t bucket : {std::size_t{0}, std::size_t{4096}, std::size_t{1} << 25})
      for (const auto when : {remat::allreduce::overlapped, remat::allreduce::after}) {
        INFO(name << ", buckets of " << bucket);
        remat::distributed_options how = options(1, 2);
        how.bucket_bytes = bucket;
        how.allreduce = when;
        remat::distributed_network model(session(), n.lower(), how);
        const std::size_t samples = n.microbatch * 2 * static_cast<std::size_t>(session().size());
        const digest found = digest_of(model, train(n, model, samples));
        if (!expected) expected = found;
        CHECK(found == *expected);
        // Each replica has the values of replica 0.
        const auto values = remat::internals::store(model).value_block();
        std::vector<std::byte> first(values.begin(), values.end());
        remat::internals::all(model).wait(remat::internals::world(model).broadcast(first, 0));
        CHECK((std::vector<std::byte>(values.begin(), values.end()) == first));
      }
  }
}

TEST_CASE("evaluate gives the number of one process, on all ranks") {
  const networks::network& n = networks::named("nested");
  remat::network one = networks::make(n, {.seed = 3, .threads = 1});
  remat::distributed_options how = options(session().size(), 2);
  how.inputs = remat::inputs_from::first_stage;
  remat::distributed_network everywhere(session(), n.lower(), options(1, 2)), first(session(), n.lower(), how);
  using batches = std::vector<std::pair<std::vector<float>, std::vector<std::int32_t>>>;
  batches all, none;
  for (const std::size_t samples : {4u, 6u, 3u}) {
    const auto data = networks::random_batch(n, one.lowered(), samples, samples);
    all.emplace_back(std::get<0>(data[0].numbers), std::get<1>(data[1].numbers));
    none.emplace_back();
  }
  const double expected = one.evaluate(all, remat::accuracy{});
  CHECK(everywhere.evaluate(all, remat::accuracy{}) == expected);
  CHECK(first.evaluate(first.partition() == 0 ? all : none, remat::accuracy{}) == expected);
  const remat::metrics several{remat::accuracy{}, remat::top_k<2>{}};
  CHECK(first.evaluate(first.partition() == 0 ? all : none, several) == one.evaluate(all, several));

  // Of no batch nothing is known; a label that is no class is refused on all ranks, and the next call goes on.
  CHECK(std::isnan(everywhere.evaluate(batches(), remat::accuracy{})));
  batches wrong = all;
  wrong[1].second[2] = 99;
  const auto evaluate_wrong = [&] { first.evaluate(first.partition() == 0 ? wrong : none, several); };
  CHECK_THROWS_AS(evaluate_wrong(), remat::collective_error);
  CHECK_THROWS_WITH(evaluate_wrong(), Catch::Matchers::Contains("target 99 at place 2 of the batch is no class"));
  CHECK(first.evaluate(first.partition() == 0 ? all : none, several) == one.evaluate(all, several));
}

TEST_CASE("an optimizer's numbers are shared out over replicas", "[even_ranks]") {
  const networks::network& n = networks::named("nested");
  std::size_t bytes[2] = {};
  for (const bool shards : {false, true}) {
    remat::distributed_options how = options(session().size() / 2, 1);
    how.shards_optimizer = shards;
    remat::distributed_network model(session(), n.lower(), how);
    remat::adam optimizer{{.learning_rate = 0.01f}};
    const auto data = networks::random_batch(n, model.lowered(), n.microbatch * 2, 1);
    model.train_on(sources_of(data));
    optimizer.step(model);
    bytes[shards] = model.memory(optimizer).optimizer;
  }
  INFO(bytes[0] << " bytes, and " << bytes[1] << " in shards");
  CHECK(bytes[1] <= bytes[0] / 2 + 4096);
  CHECK(bytes[1] * 2 + 4096 >= bytes[0]);
}

TEST_CASE("gradients are clipped by the norm of all ranks") {
  const networks::network& n = networks::named("tied");
  const std::size_t microbatches = 2;
  remat::network one = networks::make(n, {.seed = 3, .threads = 1, .microbatches = microbatches});
  remat::distributed_network model(session(), n.lower(), options(session().size(), microbatches));
  const auto data = networks::random_batch(n, one.lowered(), n.microbatch * microbatches, 5);
  one.train_on(sources_of(data));
  model.train_on(sources_of(data));
  const double expected = clip_gradients(one, 0.01), found = clip_gradients(model, 0.01);
  CHECK(found == expected);
  CHECK(expected > 0.01);
  for (const remat::parameter_view& p : model.parameters())
    CHECK(same_bits(p.gradient, one.parameter(p.name).gradient));
}

TEST_CASE("a group of an optimizer may be of parameters that another rank holds") {
  const networks::network& n = networks::named("nested");
  const std::size_t microbatches = 2;
  remat::network one = networks::make(n, {.seed = 3, .threads = 1, .microbatches = microbatches});
  remat::distributed_network model(session(), n.lower(), options(session().size(), microbatches));
  const auto grouped = [] {
    remat::sgd optimizer{{.learning_rate = 0.1f, .weight_decay = 0.1f}};
    optimizer.group("stem", {.learning_rate = 0.0f});
    optimizer.group(remat::is_bias_or_norm, {.weight_decay = 0.0f});
    return optimizer;
  };
  const outcome expected = train(n, one, n.microbatch * microbatches, grouped());
  const outcome found = train(n, model, n.microbatch * microbatches, grouped());
  CHECK(same_bits(found.losses, expected.losses));
  CHECK(are_same(found.parameters, expected.parameters));
}

TEST_CASE("replicas predict what one process does") {
  const networks::network& n = networks::named("unet");
  for (const int partitions : {1, session().size()}) {
    remat::network one = networks::make(n, {.seed = 3, .threads = 1});
    remat::distributed_network model(session(), n.lower(), options(partitions, 2));
    for (const std::size_t samples : {1u, 2u, 5u, 12u}) {
      const auto kept = networks::random_batch(n, one.lowered(), samples, 5);
      auto data = sources_of(kept);
      data.resize(1);
      CHECK(same_bits(model.predict_on(data), one.predict_on(data)));
    }
  }
}

}  // namespace replicas_tests
