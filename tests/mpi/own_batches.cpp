// SPDX-License-Identifier: MIT
// Replicas that each bring a batch of their own train as those that share one, and what ranks are handed is compared.
#include "training.hpp"

#include <catch2/catch.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace own_batches_tests {

remat::distributed_options options(int replicas, remat::inputs_from inputs) {
  return {.seed = 3,
          .threads = 1,
          .partitions = session().size() / replicas,
          .microbatches = 2,
          .inputs = inputs,
          .logs_partition = false};
}

std::vector<remat::tensor_source> share_of(const std::vector<remat::tensor_source>& sources, int replica,
                                           int replicas) {
  std::vector<remat::tensor_source> mine;
  for (const remat::tensor_source& s : sources) {
    const std::size_t size = s.size / static_cast<std::size_t>(replicas);
    mine.push_back(s.part(static_cast<std::size_t>(replica) * size, size));
  }
  return mine;
}

template <class Call>
std::string refusal_of(const Call& call) {
  try {
    call();
  } catch (const remat::collective_error& e) {
    return e.what();
  }
  return "";
}

TEST_CASE("replicas that bring their shares of a batch train and predict as those that are handed all of it") {
  for (const char* name : {"example_01", "tied", "nested"})  // the last one with dropout
    for (const int replicas : {1, 2, 3, 4}) {
      if (session().size() % replicas != 0) continue;
      const networks::network& n = networks::named(name);
      INFO(name << ", " << replicas << " replicas");
      remat::distributed_network shared(session(), n.lower(), options(replicas, remat::inputs_from::every_rank));
      remat::distributed_network own(session(), n.lower(), options(replicas, remat::inputs_from::each_replica));
      remat::sgd a{{.learning_rate = 0.02f}}, b{{.learning_rate = 0.02f}};
      for (std::uint64_t step = 0; step < 2; ++step) {
        const auto data =
            networks::random_batch(n, shared.lowered(), n.microbatch * 2 * static_cast<std::size_t>(replicas), step);
        const float expected = shared.train_on(sources_of(data));
        const float found = own.train_on(share_of(sources_of(data), own.replica(), replicas));
        CHECK(same_bits(found, expected));
        a.step(shared);
        b.step(own);
      }
      for (const remat::parameter_view& p : shared.parameters())
        CHECK(same_bits(p.values, own.parameter(p.name).values));
      const auto kept = networks::random_batch(n, shared.lowered(), 2 * static_cast<std::size_t>(replicas), 9);
      auto inputs = sources_of(kept);
      inputs.resize(static_cast<std::size_t>(shared.lowered().inputs - shared.lowered().targets));
      const auto all = shared.predict_on(inputs);
      const auto mine = own.predict_on(share_of(inputs, own.replica(), replicas));
      const std::size_t size = all.size() / static_cast<std::size_t>(replicas);
      CHECK(same_bits(mine, all.subspan(static_cast<std::size_t>(own.replica()) * size, size)));
    }
}

TEST_CASE("a replica's own batch splits unevenly, and a step is that of one process on all of it, up to rounding") {
  const int replicas = session().size();
  for (const std::size_t samples : {3u, 5u}) {  // in two micro-batches
    INFO(samples << " samples on each of " << replicas << " replicas");
    const networks::network& n = networks::named("tied");
    remat::distributed_network own(session(), n.lower(), options(replicas, remat::inputs_from::each_replica));
    remat::network one = networks::make(n, {.seed = 3, .threads = 1});
    const auto data = networks::random_batch(n, own.lowered(), samples * static_cast<std::size_t>(replicas), 4);
    const float expected = one.train_on(sources_of(data));
    CHECK(own.train_on(share_of(sources_of(data), own.replica(), replicas)) == Approx(expected).epsilon(1e-5));
    for (const remat::parameter_view& p : own.parameters()) {
      const auto &found = p.gradient, &wanted = one.parameter(p.name).gradient;
      double off = 0, norm = 0;
      for (std::size_t k = 0; k < wanted.size(); ++k) {
        off += std::pow(static_cast<double>(found[k] - wanted[k]), 2);
        norm += std::pow(static_cast<double>(wanted[k]), 2);
      }
      INFO(p.name);
      CHECK(std::sqrt(off / norm) < 1e-5);
    }
  }
  remat::distributed_network own(session(), networks::named("tied").lower(),
                                 options(replicas, remat::inputs_from::each_replica));
  const auto few = networks::random_batch(networks::named("tied"), own.lowered(), 1, 4);
  CHECK(refusal_of([&] { own.train_on(sources_of(few)); })
            .find("a replica's own batch of 1 does not split into 2 micro-batches; "
                  "take at least 2 samples") != std::string::npos);
}

TEST_CASE("replicas may predict batches of different sizes, and train on those of one size alone", "[even_ranks]") {
  const networks::network& n = networks::named("nested");
  remat::distributed_network model(session(), n.lower(), options(2, remat::inputs_from::each_replica));
  const std::size_t samples = model.replica() == 0 ? 4 : 6;
  const auto data = networks::random_batch(n, model.lowered(), samples, static_cast<std::uint64_t>(model.replica()));
  const std::string told = refusal_of([&] { model.train_on(sources_of(data)); });
  CHECK(told.find("replica 1 was handed 6 samples in train_step 1, and replica 0 4") != std::string::npos);
  auto inputs = sources_of(data);
  inputs.resize(1);
  remat::network one = networks::make(n, {.seed = 3, .threads = 1});
  const auto expected = one.predict_on(inputs);
  CHECK(same_bits(model.predict_on(inputs), expected));
}

TEST_CASE("ranks that are handed different batches of one size are named, and go on with the same ones") {
  const networks::network& n = networks::named("nested");
  const bool is_last = session().rank() + 1 == session().size();
  for (const bool compares : {true, false}) {
    remat::distributed_options how = options(1, remat::inputs_from::every_rank);
    how.compares_batches = compares;
    remat::distributed_network model(session(), n.lower(), how);
    const auto data = networks::random_batch(n, model.lowered(), 4, 1),
               other = networks::random_batch(n, model.lowered(), 4, 2);
    model.train_on(sources_of(data));
    const std::string told = refusal_of([&] { model.train_on(sources_of(is_last ? other : data)); });
    if (compares && session().size() > 1)
      CHECK(told.find("rank " + std::to_string(session().size() - 1) +
                      " was handed another batch than rank 0 in "
                      "train_step 2") != std::string::npos);
    else
      CHECK(told.empty());
    CHECK(model.train_on(sources_of(data)) > 0);
  }
}

/// Counts targets of each class.
struct counts_of_classes {
  std::vector<double> counts = std::vector<double>(3);
  void add(std::span<const float>, const std::vector<std::int32_t>& targets, const remat::tensor_shape&) {
    for (const std::int32_t t : targets) ++counts[static_cast<std::size_t>(t)];
  }
  void merge(const counts_of_classes& other) {
    for (std::size_t c = 0; c < counts.size(); ++c) counts[c] += other.counts[c];
  }
  double value() const { return counts[1]; }
};

TEST_CASE("a metric that replicas cannot merge is refused, where it is to be merged") {
  using net = remat::nn::linear<2, 3>;
  const std::vector<std::pair<std::vector<float>, std::vector<std::int32_t>>> batches{{{1, 2, 3, 4}, {1, 2}}};
  for (const auto inputs : {remat::inputs_from::every_rank, remat::inputs_from::each_replica}) {
    remat::distributed_model<net, remat::tensor<float, 2>, remat::nn::cross_entropy> model(
        session(), {.partitions = 1, .inputs = inputs, .logs_partition = false});
    if (inputs == remat::inputs_from::every_rank)
      CHECK(model.evaluate(batches, counts_of_classes{}) == 1);
    else
      CHECK_THROWS_WITH(model.evaluate(batches, counts_of_classes{}), Catch::Contains("give it a function `so_far()`"));
  }
}

TEST_CASE("within a replica that brings its own batch, ranks compare it", "[even_ranks]") {
  if (session().size() < 4) return;
  const networks::network& n = networks::named("nested");
  remat::distributed_network model(session(), n.lower(), options(2, remat::inputs_from::each_replica));
  // Rank 3 has what replica 0 has.
  const auto data = networks::random_batch(n, model.lowered(), 4, session().rank() == 2 ? 2 : 1);
  const std::string told = refusal_of([&] { model.train_on(sources_of(data)); });
  CHECK(told.find("rank 3 was handed another batch than rank 2 in train_step 1; all ranks of a replica") !=
        std::string::npos);
}

}  // namespace own_batches_tests
