// SPDX-License-Identifier: MIT
// Predictions in stages: several outputs that several stages make, models without a loss, and batches of any size.
#include "training.hpp"

#include <remat/model/parallel.hpp>
#include <remat/nn/linear.hpp>
#include <remat/nn/relu.hpp>
#include <remat/nn/tanh.hpp>

#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>
#include <string>
#include <vector>

namespace predictions_tests {

namespace nn = remat::nn;
using remat::sequential;

/// Its three outputs are made on three stages, where there are as many.
using heads = remat::parallel<remat::identity, sequential<nn::linear<6, 9>, nn::tanh>,
                              sequential<nn::linear<6, 4>, nn::relu, nn::linear<4, 5>>, nn::linear<6, 3>>;
using net = sequential<nn::linear<7, 6>, nn::tanh, heads>;
using input = remat::tensor<float, 7>;

std::vector<float> samples(std::size_t count) {
  std::vector<float> x(count * 7);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i * 37 % 101) / 50 - 1;
  return x;
}

/// What is predicted of samples, which a pipeline takes in micro-batches and one process all at once. oneDNN's gemm,
/// which computes products without AVX-512, rounds a row otherwise among others.
bool are_same_rows(std::span<const float> some, std::span<const float> others) {
  if (remat::onednn::instructions() != remat::onednn::instruction_set::other) return same_bits(some, others);
  return std::ranges::equal(some, others,
                            [](float a, float b) { return std::abs(a - b) <= 1e-6f * (1 + std::abs(b)); });
}

TEST_CASE("all outputs of a model without a loss are there on every rank, whichever stage makes them") {
  remat::model<net, input> one{{.seed = 5, .threads = 1}};
  for (const remat::pipeline_schedule& schedule :
       {remat::pipeline_schedule(remat::schedule::one_f_one_b), remat::pipeline_schedule(remat::schedule::gpipe),
        remat::pipeline_schedule(remat::schedule::forward_only)}) {
    for (int partitions = 1; partitions <= session().size(); ++partitions) {
      if (session().size() % partitions != 0) continue;
      remat::distributed_model<net, input> model{session(),
                                                 {.seed = 5,
                                                  .threads = 1,
                                                  .partitions = partitions,
                                                  .microbatches = 4,
                                                  .schedule = schedule,
                                                  .partition = remat::partition::balanced_memory,
                                                  .logs_partition = false}};
      CHECK(model.plan(2).stages.size() == 1);
      CHECK_THROWS_WITH(model.output(0), Catch::Matchers::Contains("no prediction has run"));
      for (const std::size_t batch : {1u, 2u, 7u, 8u, 12u}) {
        INFO(schedule.name() << ", " << partitions << " partitions, batch " << batch);
        const std::vector<float> x = samples(batch);
        one.predict(x);
        model.predict(x);
        for (std::size_t i = 0; i < 3; ++i) CHECK(are_same_rows(model.output(i), one.output(i)));
      }
      std::string told;
      try {
        model.train_step(samples(8));
      } catch (const remat::collective_error& e) {
        told = e.what();
      }
      CHECK(told.find("a training step needs a loss") != std::string::npos);
      CHECK_THROWS_WITH(remat::audit(model, samples(8)), Catch::Matchers::Contains("needs a loss"));
    }
  }
}

TEST_CASE("a table that has stages of its own, or leaves one out, is refused without a loss, too") {
  remat::schedule_table table = remat::schedule::forward_only.make(session().size(), 2);
  const auto refusal = [&] {
    try {
      remat::distributed_model<net, input> model{
          session(), {.seed = 5, .threads = 1, .microbatches = 2, .schedule = table, .logs_partition = false}};
    } catch (const remat::error& e) {
      return std::string(e.what());
    }
    return std::string();
  };
  CHECK(refusal().empty());
  for (const int stage : {5, -1}) {
    table.rows[0][1].stage = stage;
    CHECK_THAT(refusal(), Catch::Matchers::Contains("stage " + std::to_string(stage)));
  }
  table.rows[0].pop_back();
  CHECK_THAT(refusal(), Catch::Matchers::Contains("without the forward of stage 0"));
}

TEST_CASE("every table of inference is one that can run") {
  for (const remat::pipeline_schedule& schedule :
       {remat::pipeline_schedule(remat::schedule::one_f_one_b), remat::pipeline_schedule(remat::schedule::gpipe),
        remat::pipeline_schedule(remat::schedule::zero_bubble),
        remat::pipeline_schedule(remat::schedule::interleaved<2>),
        remat::pipeline_schedule(remat::schedule::interleaved<3>)})
    for (int ranks = 1; ranks <= 5; ++ranks)
      for (int microbatches = 1; microbatches <= 9; ++microbatches) {
        INFO(schedule.name() << ", " << ranks << " ranks, " << microbatches << " micro-batches");
        const remat::schedule_table training = schedule.table(ranks, 12 * ranks);
        const remat::schedule_table table = remat::forward_only_like(training, microbatches);
        CHECK(table.microbatches == microbatches);
        remat::core::list<remat::stage_message> chain;
        for (int s = 0; s + 1 < table.stages; ++s) chain.push_back({s, s + 1, remat::pass_kind::forward});
        CHECK_NOTHROW(remat::check_schedule(table, {.is_training = false, .messages = chain}));
      }
}

}  // namespace predictions_tests
