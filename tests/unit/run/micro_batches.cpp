// SPDX-License-Identifier: MIT
// Micro-batches: gradients add up to those of the batch, and nothing depends on what is recomputed.
#include "random_batch.hpp"

#include <catch2/catch.hpp>

#include <cmath>
#include <cstring>
#include <vector>

namespace {

namespace nn = remat::nn;
using net = remat::sequential<nn::conv2d<2, 6, 3, 1, 1>, nn::relu, nn::max_pool2d<2>, nn::flatten, nn::linear<96, 32>,
                              nn::tanh, nn::linear<32, 5>, nn::log_softmax>;
using model = remat::model<net, remat::tensor<float, 2, 8, 8>, nn::nll_loss>;

}  // namespace

TEST_CASE("micro-batches give the gradients of the batch, up to rounding") {
  const auto data = networks::random_batch(12, 128, 1, 5, 3);
  model whole{{.seed = 1, .input_gradients = true}};
  const float loss = whole.train_step(data.inputs, data.targets);
  for (std::size_t parts : {2u, 3u, 4u, 12u}) {
    model split{{.seed = 1, .microbatches = parts, .input_gradients = true}};
    for (int twice = 0; twice < 2; ++twice) CHECK(split.train_step(data.inputs, data.targets) == Approx(loss));
    for (std::size_t i = 0; i < whole.parameters().size(); ++i) {
      double off = 0, norm = 0;
      const auto &a = whole.parameters()[i].gradient, &b = split.parameters()[i].gradient;
      for (std::size_t k = 0; k < a.size(); ++k) {
        off += std::pow(static_cast<double>(a[k] - b[k]), 2);
        norm += std::pow(static_cast<double>(a[k]), 2);
      }
      INFO(whole.parameters()[i].name << " in " << parts);
      CHECK(std::sqrt(off / norm) < 1e-5);
    }
    REQUIRE(split.input_gradient().size() == whole.input_gradient().size());
    for (std::size_t k = 0; k < split.input_gradient().size(); k += 7)
      CHECK(split.input_gradient()[k] == Approx(whole.input_gradient()[k]).margin(1e-6));
    CHECK(split.plan().batch == 12 / parts);
  }
}

TEST_CASE("a batch that does not split is refused, and nothing has changed") {
  const auto data = networks::random_batch(6, 128, 1, 5, 3);
  model m{{.seed = 1, .microbatches = 4}};
  CHECK_THROWS_WITH(m.train_step(data.inputs, data.targets),
                    Catch::Matchers::Contains("a batch of 6 does not split into 4"));
  CHECK(m.steps() == 0);
  CHECK_THROWS_WITH((model{{.microbatches = 0}}), Catch::Matchers::Contains("at least one micro-batch"));
}

TEST_CASE("later micro-batches pack no weights again") {
  const auto data = networks::random_batch(8, 128, 1, 5, 3);
  model m{{.seed = 1, .microbatches = 4}};
  m.train_step(data.inputs, data.targets);
  const auto first = m.parameter("0.weight").values[0];
  m.parameter("0.weight").values[0] = first + 1;  // the next step sees it
  const float moved = m.train_step(data.inputs, data.targets);
  m.parameter("0.weight").values[0] = first;
  CHECK(m.train_step(data.inputs, data.targets) != moved);
}
