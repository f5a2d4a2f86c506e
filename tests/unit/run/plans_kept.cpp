// SPDX-License-Identifier: MIT
// How many plans a model keeps, and what of its memory that bounds.
#include <remat/remat.hpp>

#include <catch2/catch.hpp>

#include <algorithm>
#include <vector>

namespace plans_kept_tests {

namespace nn = remat::nn;
using Catch::Matchers::Contains;
using net = remat::sequential<nn::linear<6, 16>, nn::relu, nn::linear<16, 3>>;
using input = remat::tensor<float, 6>;
using trained = remat::model<net, input, nn::cross_entropy>;
using untrained = remat::model<net, input>;

struct data {
  std::vector<float> x;
  std::vector<std::int32_t> y;
};
data samples(std::size_t count) { return {std::vector<float>(6 * count, 0.5f), std::vector<std::int32_t>(count, 1)}; }

TEST_CASE("a batch size that is kept gives its plan again, and one that is not is planned again with the same bits") {
  trained model{{.seed = 1, .threads = 1, .microbatches = 2, .max_plans = 3}};
  const auto loss = [&](std::size_t batch) {
    const data d = samples(batch);
    return model.train_step(d.x, d.y);
  };
  const float of_four = loss(4);
  const std::vector<float> gradient(model.parameters()[0].gradient.begin(), model.parameters()[0].gradient.end());
  const remat::executor* const kept = &remat::internals::training(model, 2);
  loss(6);
  loss(8);
  CHECK(&remat::internals::training(model, 2) ==
        kept);  // used last: of 2, 3 and 4 samples in a part, 3 is the oldest now
  loss(10);
  CHECK(&remat::internals::training(model, 2) == kept);
  CHECK(model.kept_plans() == 3);
  for (std::size_t batch = 12; batch < 40; batch += 2) loss(batch);
  CHECK(model.kept_plans() == 3);
  CHECK(loss(4) == of_four);
  CHECK(std::ranges::equal(gradient, model.parameters()[0].gradient));
  for (std::size_t batch = 1; batch < 20; ++batch) model.predict(samples(batch).x);
  CHECK(model.kept_plans() == 6);  // inference has its own
  CHECK_THROWS_WITH((trained{{.max_plans = 0}}), Contains("max_plans is at least 1"));
}

TEST_CASE("what backward waits for is not forgotten") {
  untrained model{{.seed = 1, .max_plans = 1}}, other{{.seed = 1}};
  const std::vector<float> dy(3 * 8, 1.0f);
  const data d = samples(8);
  for (untrained* each : {&model, &other}) each->forward(d.x);
  for (std::size_t batch = 1; batch < 5; ++batch) remat::internals::training(model, batch);  // made, and not run
  model.backward(dy);
  other.backward(dy);
  CHECK(std::ranges::equal(model.parameters()[0].gradient, other.parameters()[0].gradient));
}

TEST_CASE("released plans and their arena are made again") {
  trained model{{.seed = 1}};
  const data d = samples(8);
  const float before = model.train_step(d.x, d.y);
  const remat::regions reserved = model.reserved();
  model.release_plans();
  CHECK(model.kept_plans() == 0);
  CHECK(model.reserved().total() == 0);
  CHECK_NOTHROW(remat::sgd({.learning_rate = 0}).step(model));  // gradients are no plan's
  CHECK(model.train_step(d.x, d.y) == before);
  CHECK(model.reserved().total() == reserved.total());
  untrained parts{{.seed = 1}};
  parts.forward(d.x);
  parts.release_plans();
  CHECK_THROWS_WITH(parts.backward(std::vector<float>(24)), Contains("call forward just before"));
}

}  // namespace plans_kept_tests
