// SPDX-License-Identifier: MIT
// Batches of many sizes on pipelines, of which few are kept, and steps that all ranks refuse together.
#include "session.hpp"

#include <remat/distributed.hpp>

#include <catch2/catch.hpp>

#include <cstdint>
#include <vector>

namespace plans_kept_tests {

namespace nn = remat::nn;
using Catch::Matchers::Contains;
using net = remat::sequential<nn::linear<6, 16>, nn::relu, nn::linear<16, 3>, nn::relu, nn::linear<3, 3>>;
using distributed = remat::distributed_model<net, remat::tensor<float, 6>, nn::cross_entropy>;

TEST_CASE("pipelines that are forgotten are made again, and the last one to train can be looked at") {
  distributed model{session(), {.seed = 1, .microbatches = 2, .max_plans = 2, .logs_partition = false}};
  std::vector<float> losses;
  for (int round = 0; round < 2; ++round)
    for (std::size_t batch = 2; batch < 20; batch += 2) {
      const std::vector<float> x(6 * batch, 0.5f);
      const std::vector<std::int32_t> y(batch, 1);
      const float loss = model.train_step(x, y);
      CHECK(remat::internals::last_pipeline(model).microbatch() == batch / 2);
      model.predict(x);
      if (round == 0)
        losses.push_back(loss);
      else
        CHECK(loss == losses[batch / 2 - 1]);
    }
}

TEST_CASE("a batch is as large as its micro-batches may be, and what a kernel refuses is refused on all ranks") {
  using wide = remat::sequential<nn::linear<1, 3'000'000>, nn::linear<3'000'000, 2>>;
  remat::distributed_model<remat::checkpoint<wide>, remat::tensor<float, 1>, nn::cross_entropy> large{
      session(), {.seed = 1, .partitions = 1, .microbatches = 4, .logs_partition = false}};
  const std::size_t replicas = static_cast<std::size_t>(large.replicas());
  const std::vector<float> x(4'000 * replicas, 0.5f);
  const std::vector<std::int32_t> y(x.size(), 1);
  // A part of 1,000 is too large; the whole is larger.
  CHECK_THROWS_WITH(large.train_step(x, y), Contains("a batch of 1000 makes a tensor of more than 2^31 - 1 elements"));
  CHECK_THROWS_WITH(large.predict(x), Contains("a batch of 1000 makes a tensor of more than 2^31 - 1 elements"));

  using normed = remat::sequential<nn::conv2d<2, 4, 1>, nn::batch_norm2d<4>, nn::flatten, nn::linear<4, 3>>;
  remat::distributed_model<normed, remat::image<float, 2, 1, 1>, nn::cross_entropy> model{
      session(), {.seed = 1, .microbatches = 2, .logs_partition = false}};
  const std::size_t parts = 2 * static_cast<std::size_t>(model.replicas());
  for (int round = 0; round < 2; ++round)
    CHECK_THROWS_WITH(model.train_step(std::vector<float>(2 * parts, 0.5f), std::vector<std::int32_t>(parts, 1)),
                      Contains("in training a channel needs more than one value"));
  CHECK_NOTHROW(model.train_step(std::vector<float>(4 * parts, 0.5f), std::vector<std::int32_t>(2 * parts, 1)));
  CHECK_NOTHROW(model.predict(std::vector<float>(2 * parts, 0.5f)));
}

TEST_CASE("optimizers and clipping on all ranks refuse the gradients of no step") {
  distributed model{session(), {.seed = 1, .microbatches = 2, .logs_partition = false}};
  remat::adamw optimizer;
  const std::vector<float> x(24, 0.5f);
  const std::vector<std::int32_t> y(4, 1), more(5, 1);
  CHECK_THROWS_WITH(optimizer.step(model), Contains("no gradients yet"));
  CHECK_THROWS_WITH(remat::clip_gradients(model, 1), Contains("no gradients yet"));
  model.train_step(x, y);
  CHECK_NOTHROW(optimizer.step(model));
  CHECK_THROWS_WITH(model.train_step(x, more), Contains("target 0 holds 5 samples, input 0 holds 4"));
  CHECK_THROWS_WITH(optimizer.step(model), Contains("the last step was refused"));
  CHECK_THROWS_WITH(remat::clip_gradients(model, 1), Contains("the last step was refused"));
  model.train_step(x, y);
  CHECK_NOTHROW(optimizer.step(model));
  CHECK(optimizer.steps() == 2);
}

}  // namespace plans_kept_tests
