// SPDX-License-Identifier: MIT
// A loss is the mean over what counts in the whole batch, and a batch need not split evenly: every schedule, policy,
// number of stages and source of inputs gives the bits of one process at the same micro-batches, and replicas give the
// loss and gradients of the whole batch up to rounding.
#include "training.hpp"

#include <remat/remat.hpp>

#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace shares_tests {

namespace nn = remat::nn;
using remat::checkpoint_at;
namespace strategy = remat::strategy;

using block = remat::sequential<nn::linear<6, 6>, nn::tanh>;
using net = remat::sequential<remat::repeat<6, block>, nn::linear<6, 3>>;
using input = remat::tensor<float, 6>;

/// A batch of which the targets that `counts` refuses are ignored.
struct data {
  std::vector<float> x;
  std::vector<std::int32_t> targets;
};
template <class Counts>
data batch_of(std::size_t samples, const Counts& counts) {
  data made{std::vector<float>(samples * 6), std::vector<std::int32_t>(samples)};
  for (std::size_t i = 0; i < made.x.size(); ++i) made.x[i] = std::sin(static_cast<float>(i * i % 977));
  for (std::size_t i = 0; i < samples; ++i) made.targets[i] = counts(i) ? static_cast<std::int32_t>(i * 7 % 3) : -100;
  return made;
}

/// Ignored targets in another number for each micro-batch; some micro-batches have none that counts.
bool some(std::size_t i) { return i == 1 || (i > 4 && i % 3 != 0); }
bool all(std::size_t) { return true; }
bool none(std::size_t) { return false; }

template <class Model>
outcome steps(Model& model, const std::vector<data>& batches, bool has_data = true) {
  remat::sgd optimizer{{.learning_rate = 0.05f, .momentum = 0.9f}};
  std::vector<float> losses;
  for (const data& each : batches) {
    const std::vector<remat::tensor_source> sources{remat::source_of(each.x), remat::source_of(each.targets)};
    losses.push_back(model.train_on(has_data ? std::span<const remat::tensor_source>(sources)
                                             : std::span<const remat::tensor_source>()));
    if (!std::isnan(losses.back())) optimizer.step(model);
  }
  return outcome_of(model, std::move(losses));
}

std::vector<data> batches_for(std::size_t parts) {
  std::vector<data> made;
  for (const std::size_t samples : {2 * parts, 2 * parts + 1, 3 * parts - 1, parts, 2 * parts + parts / 2}) {
    made.push_back(batch_of(samples, some));
    made.push_back(batch_of(samples, all));
  }
  return made;
}

TEST_CASE("batches that ignore targets and do not split evenly give the bits of one process") {
  remat::silence_warning(remat::warning_names::skipped_checkpoint);
  const std::size_t ranks = static_cast<std::size_t>(session().size());
  for (const std::size_t microbatches : {ranks, 2 * ranks, std::size_t{6} / ranks * ranks}) {
    const std::vector<data> batches = batches_for(microbatches);
    const remat::program lowered = remat::lower<net, input, nn::cross_entropy>();
    remat::network one(lowered, {.seed = 3, .threads = 1, .microbatches = microbatches});
    const outcome expected = steps(one, batches);
    for (const auto& schedule :
         {remat::pipeline_schedule(remat::schedule::gpipe), remat::pipeline_schedule(remat::schedule::one_f_one_b),
          remat::pipeline_schedule(remat::schedule::zero_bubble),
          remat::pipeline_schedule(remat::schedule::interleaved<2>)})
      for (const bool checkpointed : {false, true})
        for (const auto& from : {remat::inputs_from::every_rank, remat::inputs_from::first_stage}) {
          INFO(microbatches << " micro-batches, " << (checkpointed ? "checkpointed" : "plain") << ", inputs from "
                            << (from == remat::inputs_from::every_rank ? "every rank" : "the first stage"));
          remat::distributed_options how{
              .seed = 3, .threads = 1, .microbatches = microbatches, .schedule = schedule, .logs_partition = false};
          how.inputs = from;
          if (checkpointed) how.checkpoints = {checkpoint_at("0", strategy::each{})};
          if (checkpointed) how.checkpointing = remat::checkpointing::except_last;
          remat::distributed_network model(session(), lowered, how);
          const outcome found = steps(model, batches, from == remat::inputs_from::every_rank || model.partition() == 0);
          CHECK(same_bits(found.losses, expected.losses));
          CHECK(are_same(found.parameters, expected.parameters));
        }
  }
}

TEST_CASE("weights of classes, which the rank of the loss has, give the bits of one process") {
  using weighted = nn::cross_entropy_with<nn::class_weights<3>, nn::label_smoothing<0.25>>;
  const remat::program lowered = remat::lower<net, input, weighted>();
  const auto set = [](remat::trainable& m) {
    for (const remat::state_view& s : m.states())
      for (std::size_t c = 0; c < s.values.size(); ++c) s.values[c] = 0.3f + static_cast<float>(c) / 3;
  };
  const std::vector<data> batches = batches_for(4);
  remat::network one(lowered, {.seed = 3, .threads = 1, .microbatches = 4});
  set(one);
  const outcome expected = steps(one, batches);
  for (const auto& from : {remat::inputs_from::every_rank, remat::inputs_from::first_stage}) {
    remat::distributed_options how{.seed = 3, .threads = 1, .microbatches = 4, .logs_partition = false};
    how.inputs = from;
    remat::distributed_network model(session(), lowered, how);
    set(model);
    const outcome found = steps(model, batches, from == remat::inputs_from::every_rank || model.partition() == 0);
    CHECK(same_bits(found.losses, expected.losses));
    CHECK(are_same(found.parameters, expected.parameters));
  }
}

TEST_CASE("micro-batches whose targets have weights of 0, and batches of no others, are those of one process") {
  using weighted = nn::cross_entropy_with<nn::class_weights<3>, nn::label_smoothing<0.25>>;
  const remat::program lowered = remat::lower<net, input, weighted>();
  const auto set = [](remat::trainable& m) {
    for (const remat::state_view& s : m.states())
      for (std::size_t c = 0; c < s.values.size(); ++c) s.values[c] = static_cast<float>(c) / 3;
  };
  data some_weigh = batch_of(8, all), none_weighs = batch_of(8, all);
  for (const std::size_t i : {0u, 1u, 4u, 5u}) some_weigh.targets[i] = 0;
  std::ranges::fill(none_weighs.targets, 0);
  none_weighs.targets[7] = -100;
  for (const int stages : {1, session().size()}) {
    const auto microbatches =
        stages == 1 ? std::size_t{4} / static_cast<std::size_t>(session().size()) : std::size_t{4};
    remat::network one(lowered, {.seed = 3, .threads = 1, .microbatches = 4});
    set(one);
    for (const auto& from : {remat::inputs_from::every_rank, remat::inputs_from::first_stage}) {
      remat::distributed_options how{.seed = 3, .threads = 1, .partitions = stages, .microbatches = microbatches};
      how.logs_partition = false;
      how.inputs = from;
      if (microbatches * static_cast<std::size_t>(session().size() / stages) != 4) continue;  // 3 replicas
      remat::distributed_network model(session(), lowered, how);
      set(model);
      const bool has_data = from == remat::inputs_from::every_rank || model.partition() == 0;
      const outcome expected = steps(one, {some_weigh});
      const outcome found = steps(model, {some_weigh}, has_data);
      CHECK(same_bits(found.losses, expected.losses));
      if (stages > 1 || session().size() == 1) CHECK(are_same(found.parameters, expected.parameters));
      const outcome nothing = steps(model, {none_weighs}, has_data);
      CHECK(std::isnan(nothing.losses[0]));
      for (const auto& each : nothing.parameters)
        CHECK(std::ranges::all_of(each.gradient, [](float g) { return std::isnan(g); }));
      remat::network fresh(lowered, {.seed = 3, .threads = 1, .microbatches = 4});
      set(fresh);
      one = std::move(fresh);
    }
  }
}

TEST_CASE("replicas give the loss and the gradients of the whole batch") {
  const int ranks = session().size();
  for (const int stages : {1, 2}) {
    if (ranks % stages != 0) continue;
    const std::size_t replicas = static_cast<std::size_t>(ranks / stages);
    for (const std::size_t microbatches : {1u, 2u, 3u})
      for (const std::size_t extra : {0u, 1u, 2u}) {
        const std::size_t samples = 2 * replicas * microbatches + extra;
        for (bool (*counts)(std::size_t) : {some, all}) {
          const data batch = batch_of(samples, counts);
          INFO(stages << " stages, " << microbatches << " micro-batches, " << samples << " samples");
          remat::model<net, input, nn::cross_entropy> whole{{.seed = 3, .threads = 1}};
          const float loss = whole.train_step(batch.x, batch.targets);
          std::optional<outcome> first;
          for (const auto& schedule : {remat::pipeline_schedule(remat::schedule::gpipe),
                                       remat::pipeline_schedule(remat::schedule::zero_bubble),
                                       remat::pipeline_schedule(remat::schedule::one_f_one_b)})
            for (const auto sum : {remat::allreduce::overlapped, remat::allreduce::after}) {
              remat::distributed_network model(session(), remat::lower<net, input, nn::cross_entropy>(),
                                               {.seed = 3,
                                                .threads = 1,
                                                .partitions = stages,
                                                .microbatches = microbatches,
                                                .schedule = schedule,
                                                .allreduce = sum,
                                                .logs_partition = false});
              CHECK(model.train_step(batch.x, batch.targets) == Approx(loss).epsilon(1e-6));
              outcome found;
              for (const remat::parameter_view& p : model.parameters()) {
                const auto& wanted = whole.parameter(p.name).gradient;
                double off = 0, norm = 0;
                for (std::size_t i = 0; i < wanted.size(); ++i) {
                  off += std::pow(static_cast<double>(p.gradient[i]) - static_cast<double>(wanted[i]), 2);
                  norm += std::pow(static_cast<double>(wanted[i]), 2);
                }
                CHECK(std::sqrt(off / norm) < 1e-5);
                found.parameters.push_back(
                    {p.name, {p.values.begin(), p.values.end()}, {p.gradient.begin(), p.gradient.end()}});
              }
              if (first) CHECK(are_same(found.parameters, first->parameters));
              first = found;
            }
        }
      }
  }
}

TEST_CASE("a batch of which nothing counts has no loss and gradients of 0 on all ranks") {
  for (const int stages : {1, session().size()}) {
    remat::distributed_network model(session(), remat::lower<net, input, nn::cross_entropy>(),
                                     {.threads = 1, .partitions = stages, .microbatches = 3, .logs_partition = false});
    const data batch = batch_of(7 * static_cast<std::size_t>(model.replicas()), none);
    CHECK(std::isnan(model.train_step(batch.x, batch.targets)));
    for (const remat::parameter_view& p : model.parameters())
      for (const float g : p.gradient) CHECK(g == 0);
  }
}

TEST_CASE("an uneven step uses the memory that its layout promises") {
  remat::distributed_network model(session(), remat::lower<net, input, nn::cross_entropy>(),
                                   {.threads = 1, .microbatches = 5, .logs_partition = false});
  const data batch = batch_of(13, some);
  CHECK(remat::audit(model, batch.x, batch.targets).holds());
}

TEST_CASE("a batch of fewer samples than micro-batches is refused on all ranks") {
  remat::distributed_network model(session(), remat::lower<net, input, nn::cross_entropy>(),
                                   {.threads = 1, .microbatches = 8, .logs_partition = false});
  const data batch = batch_of(7, all);
  CHECK_THROWS_WITH(model.train_step(batch.x, batch.targets), Catch::Contains("a batch of 7 does not split into 8") &&
                                                                  Catch::Contains("take at least 8 samples"));
}

TEST_CASE("mean_loss is on all ranks what it is in one process") {
  const data batch = batch_of(12, some);
  const std::vector<std::pair<std::vector<float>, std::vector<std::int32_t>>> batches{{batch.x, batch.targets}};
  remat::model<net, input, nn::cross_entropy> one{{.seed = 3, .threads = 1}};
  const double expected = one.evaluate(batches, remat::mean_loss{});
  CHECK(expected > 0);
  remat::distributed_network model(session(), remat::lower<net, input, nn::cross_entropy>(),
                                   {.seed = 3, .threads = 1, .microbatches = 2, .logs_partition = false});
  CHECK(model.evaluate(batches, remat::mean_loss{}) == expected);
}

}  // namespace shares_tests
