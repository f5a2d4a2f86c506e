// SPDX-License-Identifier: MIT
// Steps that are given the optimizer give the bits of the step and the optimizer's apart: on stages, those of one
// process; with replicas, those of the same replicas.
#include "training.hpp"

#include <networks/policies.hpp>

#include <catch2/catch.hpp>

#include <cmath>
#include <cstddef>
#include <limits>
#include <string>
#include <utility>
#include <vector>

namespace updates_of_step_tests {

using remat::checkpoint_at;
namespace strategy = remat::strategy;

/// Values alone: such a step leaves no gradients.
outcome values_of(const remat::trainable& model, std::vector<float> losses) {
  outcome made;
  made.losses = std::move(losses);
  for (const remat::parameter_view& p : model.parameters())
    made.parameters.push_back({p.name, {p.values.begin(), p.values.end()}, {}});
  for (const remat::state_view& s : model.states())
    made.states.push_back({s.name, {s.values.begin(), s.values.end()}, {}});
  return made;
}

/// Four steps; where `within`, all but the third are given the optimizer.
template <class Model, class Optimizer>
outcome train(const networks::network& n, Model& model, std::size_t samples, Optimizer& optimizer, bool within) {
  std::vector<float> losses;
  for (std::uint64_t step = 0; step < 4; ++step) {
    const auto data = networks::random_batch(n, model.lowered(), samples, step);
    const double factor = 1 - 0.125 * static_cast<double>(step);
    if (within && step != 2) {
      losses.push_back(model.train_on(sources_of(data), optimizer, factor));
    } else {
      losses.push_back(model.train_on(sources_of(data)));
      optimizer.step(model, factor);
    }
  }
  return values_of(model, std::move(losses));
}

remat::adamw adam() { return remat::adamw{{.learning_rate = 0.01f, .weight_decay = 0.1f}}; }

TEST_CASE("stages give the bits of one process, under every schedule, with and without checkpoints") {
  remat::silence_warning(remat::warning_names::skipped_checkpoint);
  const remat::pipeline_schedule schedules[] = {remat::schedule::gpipe, remat::schedule::one_f_one_b,
                                                remat::schedule::zero_bubble, remat::schedule::interleaved<2>};
  std::size_t cells = 0;
  for (const char* name : {"example_01", "unet", "tied", "resnet", "partly_frozen", "two_inputs", "sequence"})
    for (const std::size_t microbatches : {std::size_t{1}, session().size() == 3 ? std::size_t{6} : std::size_t{4}}) {
      const networks::network& n = networks::named(name);
      const std::size_t samples = n.microbatch * microbatches + (microbatches > 1 ? 1 : 0);  // some are larger
      remat::network one = networks::make(
          n, {.seed = 3, .threads = 1, .checkpoints = remat::checkpoints::none(), .microbatches = microbatches});
      remat::adamw apart = adam();
      const outcome expected = train(n, one, samples, apart, false);
      for (const remat::pipeline_schedule& s : schedules)
        for (const bool checkpoints : {false, true}) {
          INFO(name << ", " << s.name() << ", " << microbatches << " micro-batches, " << checkpoints);
          if (s.stages(session().size()) > one.lowered().operations.count()) continue;
          if (microbatches == 1 && s.stages(1) > 1) continue;
          remat::distributed_options how{.seed = 3,
                                         .threads = 1,
                                         .checkpoints = remat::checkpoints::none(),
                                         .frozen = n.frozen,
                                         .microbatches = microbatches,
                                         .schedule = s,
                                         .logs_partition = false};
          if (checkpoints) {
            how.checkpoints.push_back(checkpoint_at(n.chain, strategy::each{}));
            how.checkpointing = remat::checkpointing::except_last;
          }
          remat::distributed_network model(session(), n.lower(), how);
          if (n.start != nullptr) n.start(model);
          remat::adamw within = adam();
          check_same(train(n, model, samples, within, true), expected);
          CHECK(within.steps() == 4);
          const remat::pipeline& line = remat::internals::last_pipeline(model);
          CHECK(line.executed(remat::action_kind::update) == line.planned_count(remat::action_kind::update));
          const bool has_one_place = std::string(name) != "tied";  // others are updated when they are summed
          CHECK((largest_of_ranks(line.executed(remat::action_kind::update)) > 0) == has_one_place);
          ++cells;
        }
    }
  CHECK(cells > 50);
}

TEST_CASE("replicas give the bits that they give with the optimizer apart", "[even_ranks]") {
  remat::silence_warning(remat::warning_names::skipped_checkpoint);
  for (const char* name : {"example_01", "tied", "masked", "nested"}) {
    const networks::network& n = networks::named(name);
    const auto make = [&](std::size_t bucket, remat::allreduce when, bool shards) {
      remat::distributed_options how{.seed = 3,
                                     .threads = 1,
                                     .checkpoints = {checkpoint_at(n.chain, strategy::each{})},
                                     .frozen = n.frozen,
                                     .partitions = session().size() / 2,
                                     .microbatches = 2,
                                     .allreduce = when,
                                     .bucket_bytes = bucket,
                                     .shards_optimizer = shards,
                                     .logs_partition = false};
      if (shards) how.schedule = remat::schedule::zero_bubble;
      return how;
    };
    remat::distributed_network plain(session(), n.lower(), make(4096, remat::allreduce::after, false));
    remat::adamw apart = adam();
    const outcome expected = train(n, plain, n.microbatch * 4, apart, false);
    for (const std::size_t bucket : {std::size_t{0}, std::size_t{4096}, std::size_t{1} << 25})
      for (const auto when : {remat::allreduce::overlapped, remat::allreduce::after})
        for (const bool shards : {false, true}) {
          INFO(name << ", buckets of " << bucket << ", shards " << shards);
          remat::distributed_network model(session(), n.lower(), make(bucket, when, shards));
          remat::adamw within = adam();
          check_same(train(n, model, n.microbatch * 4, within, true), expected);
        }
  }
}

TEST_CASE("clipping sees the gradients of all stages, and a step is skipped on all of them") {
  const networks::network& n = networks::named("unet");
  const remat::distributed_options how{.seed = 3, .threads = 1, .microbatches = 2, .logs_partition = false};
  remat::distributed_network one(session(), n.lower(), how), other(session(), n.lower(), how);
  remat::adamw apart = adam(), within = adam();
  remat::clipped clipped(within, 0.01);
  auto data = networks::random_batch(n, one.lowered(), n.microbatch * 2, 1);
  one.train_on(sources_of(data));
  const double norm = remat::clip_gradients(one, 0.01);
  apart.step(one);
  other.train_on(sources_of(data), clipped);
  CHECK(clipped.norm() == norm);
  check_same(values_of(other, {}), values_of(one, {}));
  std::get<std::vector<float>>(data[0].numbers)[0] = std::numeric_limits<float>::quiet_NaN();
  other.train_on(sources_of(data), clipped);
  CHECK(clipped.has_skipped());
  CHECK(are_same(values_of(other, {}).parameters, values_of(one, {}).parameters));
  // A NaN with a sign, as inf - inf is, on one rank.
  one.train_on(sources_of(networks::random_batch(n, one.lowered(), n.microbatch * 2, 1)));
  if (session().rank() == 0) one.parameters()[0].gradient[0] = -std::numeric_limits<float>::quiet_NaN();
  CHECK(std::isnan(remat::clip_gradients(one, 0.01)));
}

TEST_CASE("ranks that give their steps other settings are told before they train", "[even_ranks]") {
  const networks::network& n = networks::named("unet");
  remat::distributed_network model(session(), n.lower(),
                                   {.seed = 3, .threads = 1, .microbatches = 2, .logs_partition = false});
  const auto data = networks::random_batch(n, model.lowered(), n.microbatch * 2, 1);
  remat::adamw optimizer = adam();
  const outcome before = values_of(model, {});
  CHECK_THROWS_WITH(model.train_on(sources_of(data), optimizer, session().rank() == 0 ? 1 : 0.5),
                    Catch::Matchers::Contains("must act alike on all ranks"));
  check_same(values_of(model, {}), before);

  // They go on as if nothing had been refused, and are told of other groups, too.
  remat::distributed_network plain(session(), n.lower(),
                                   {.seed = 3, .threads = 1, .microbatches = 2, .logs_partition = false});
  remat::adamw of_plain = adam(), of_other_groups = adam();
  CHECK(same_bits(model.train_on(sources_of(data), optimizer), plain.train_on(sources_of(data), of_plain)));
  check_same(values_of(model, {}), values_of(plain, {}));
  const std::string name = model.all_parameters()[session().rank() == 0 ? 0 : 1].name;
  of_other_groups.group(name, {.learning_rate = 0.5f});
  CHECK_THROWS_WITH(model.train_on(sources_of(data), of_other_groups),
                    Catch::Matchers::Contains("must act alike on all ranks"));
  check_same(values_of(model, {}), values_of(plain, {}));
  remat::clipped clipped{optimizer, 1.0}, of_plain_clipped{of_plain, 1.0};
  CHECK_THROWS_WITH(model.train_on(sources_of(data), clipped, session().rank() == 0 ? 1 : 0.5),
                    Catch::Matchers::Contains("must act alike on all ranks"));
  CHECK(same_bits(model.train_on(sources_of(data), clipped), plain.train_on(sources_of(data), of_plain_clipped)));
  check_same(values_of(model, {}), values_of(plain, {}));

  // What one of them alone has done is not forgotten with the step that was refused.
  model.train_on(sources_of(data));
  if (session().rank() == 0) optimizer.step(model);
  for (int again = 0; again < 2; ++again)
    CHECK_THROWS_WITH(model.train_on(sources_of(data), optimizer),
                      Catch::Matchers::Contains("must act alike on all ranks"));
}

TEST_CASE("a rank says what keeps its block of gradients, and that none are left") {
  const networks::network& n = networks::named("unet");
  remat::distributed_network model(session(), n.lower(),
                                   {.seed = 3, .threads = 1, .microbatches = 2, .logs_partition = false});
  remat::adamw optimizer = adam();
  const auto data = networks::random_batch(n, model.lowered(), n.microbatch * 2, 1);
  model.train_on(sources_of(data), optimizer);
  CHECK(model.memory().gradients_needed_for == "micro-batches, which add theirs");
  const auto refused = Catch::Matchers::Contains("has left no gradients");
  CHECK_THROWS_WITH(model.require_gradients(), refused);
  for (const remat::parameter_view& p : model.parameters())
    if (!p.gradient.empty()) CHECK_THROWS_WITH(p.gradient.data(), refused);
}

}  // namespace updates_of_step_tests
