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

TEST_CASE("optimizers and clipping on all ranks refuse the gradients of no step") {
  distributed model{session(), {.seed = 1, .microbatches = 2, .logs_partition = false}};
  remat::adamw optimizer;
  const std::vector<float> x(24, 0.5f);
  const std::vector<std::int32_t> y(4, 1), more(5, 1);
  CHECK_THROWS_WITH(optimizer.step(model), Contains("no gradients yet"));
  CHECK_THROWS_WITH(remat::clip_gradients(model, 1), Contains("no gradients yet"));
  model.train_step(x, y);
  CHECK_NOTHROW(optimizer.step(model));
  CHECK_THROWS(model.train_step(x, more));
  CHECK_THROWS_WITH(optimizer.step(model), Contains("the last step was refused"));
  CHECK_THROWS_WITH(remat::clip_gradients(model, 1), Contains("the last step was refused"));
  model.train_step(x, y);
  CHECK_NOTHROW(optimizer.step(model));
  CHECK(optimizer.steps() == 2);
}

}  // namespace plans_kept_tests
