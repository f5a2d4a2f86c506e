// SPDX-License-Identifier: MIT
// Optimizers against their formulas in double precision.
#include "networks.hpp"

#include <catch2/catch.hpp>

#include <cmath>
#include <vector>

namespace {

namespace nn = remat::nn;
using small = remat::model<remat::sequential<nn::linear<6, 5>, nn::log_softmax>, remat::tensor<float, 6>, nn::nll_loss>;

/// Runs `steps` of an optimizer on given gradients, and the same in double precision with `update(w, g, step)`.
template <class Optimizer, class Update>
void compare(Optimizer optimizer, int steps, Update update) {
  small model{{.seed = 1}};
  const auto& p = model.parameter("0.weight");
  std::vector<double> expected(p.values.begin(), p.values.end());
  for (int t = 1; t <= steps; ++t) {
    for (std::size_t i = 0; i < p.values.size(); ++i)
      p.gradient[i] = static_cast<float>(std::sin(static_cast<double>(i) * 0.7 + t));
    for (float& g : model.parameter("0.bias").gradient) g = 0;
    optimizer.step(model);
    for (std::size_t i = 0; i < expected.size(); ++i) update(i, expected[i], static_cast<double>(p.gradient[i]), t);
  }
  for (std::size_t i = 0; i < expected.size(); ++i)
    CHECK(static_cast<double>(p.values[i]) == Approx(expected[i]).epsilon(2e-6).margin(1e-7));
}

}  // namespace

TEST_CASE("sgd follows its formula") {
  compare(remat::sgd{{.learning_rate = 0.1f}}, 3, [](std::size_t, double& w, double g, int) { w -= 0.1 * g; });
}

TEST_CASE("sgd with momentum, dampening and weight decay follows its formula") {
  for (const bool nesterov : {false, true}) {
    const double dampening = nesterov ? 0 : 0.25;
    std::vector<double> m(30);
    compare(remat::sgd{{.learning_rate = 0.1f,
                        .momentum = 0.9f,
                        .dampening = static_cast<float>(dampening),
                        .weight_decay = 0.01f,
                        .nesterov = nesterov}},
            5, [&](std::size_t i, double& w, double g, int t) {
              g += 0.01 * w;
              m[i] = t == 1 ? g : 0.9 * m[i] + (1 - dampening) * g;
              w -= 0.1 * (nesterov ? g + 0.9 * m[i] : m[i]);
            });
  }
}

TEST_CASE("adam follows its formula") {
  std::vector<double> m(30), v(30);
  compare(remat::adam{{.learning_rate = 0.01f, .weight_decay = 0.01f}}, 6,
          [&](std::size_t i, double& w, double g, int t) {
            g += 0.01 * w;
            m[i] = 0.9 * m[i] + 0.1 * g;
            v[i] = 0.999 * v[i] + 0.001 * g * g;
            w -= 0.01 / (1 - std::pow(0.9, t)) * m[i] / (std::sqrt(v[i]) / std::sqrt(1 - std::pow(0.999, t)) + 1e-8);
          });
}

TEST_CASE("an optimizer serves one model") {
  small one{{.seed = 1}}, other{{.seed = 2}};
  remat::adam optimizer;
  optimizer.step(one);
  CHECK_THROWS_WITH(optimizer.step(other), Catch::Matchers::Contains("make one for each model"));
  CHECK_THROWS_WITH(remat::sgd({.nesterov = true}), Catch::Matchers::Contains("nesterov needs a momentum"));
}
