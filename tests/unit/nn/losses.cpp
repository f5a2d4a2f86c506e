// SPDX-License-Identifier: MIT
// Losses of large logits, of targets that do not count, and of targets that are none.
#include "kernel_run.hpp"

#include <catch2/catch.hpp>

#include <limits>

namespace losses_tests {

namespace nn = remat::nn;
using remat::tensor;

constexpr float infinity = std::numeric_limits<float>::infinity(),
                not_a_number = std::numeric_limits<float>::quiet_NaN();

struct loss_and_gradient {
  float loss;
  floats gradient;
};

template <std::size_t C>
loss_and_gradient cross_entropy(const floats& logits, const std::vector<std::int32_t>& targets) {
  kernel_run<nn::cross_entropy, tensor<float, C>, tensor<std::int32_t>> run(targets.size());
  run.inputs[0] = logits;
  run.integers[1] = targets;
  run.output_gradient = {1};
  run.forward();
  return {run.outputs[0][0], run.backward()[0]};
}

loss_and_gradient bce(float logit, float target) {
  kernel_run<nn::bce_with_logits, tensor<float, 1>, tensor<float, 1>> run(1);
  run.inputs = {{logit}, {target}};
  run.output_gradient = {1};
  run.forward();
  return {run.outputs[0][0], run.backward()[0]};
}

double wide(float x) { return static_cast<double>(x); }

TEST_CASE("cross entropy of logits that overflow an exponential") {
  const auto [loss, g] = cross_entropy<3>({1e30f, -1e30f, 1e30f, 500, 400, -infinity}, {0, 1});
  CHECK(wide(loss) == Approx((std::log(2.0) + 100) / 2));
  CHECK(wide(g[0]) == Approx(-0.25));
  CHECK(g[1] == 0);
  CHECK(wide(g[2]) == Approx(0.25));
  CHECK(wide(g[3]) == Approx(0.5));
  CHECK(wide(g[4]) == Approx(-0.5));
  CHECK(g[5] == 0);
}

TEST_CASE("cross entropy does not hide a NaN") {
  CHECK(std::isnan(cross_entropy<2>({0, not_a_number}, {0}).loss));
  CHECK(std::isnan(cross_entropy<2>({-infinity, -infinity}, {0}).loss));
}

TEST_CASE("cross entropy is a mean over the targets that count") {
  const auto all = cross_entropy<2>({1, 2, 5, 7}, {0, -100}), one = cross_entropy<2>({1, 2}, {0});
  CHECK(all.loss == one.loss);
  CHECK(all.gradient == floats{one.gradient[0], one.gradient[1], 0, 0});
  const auto none = cross_entropy<2>({1, 2}, {-100});
  CHECK(std::isnan(none.loss));  // as in PyTorch
  CHECK(none.gradient == floats{0, 0});
}

TEST_CASE("log_softmax and nll_loss of rows are their cross entropy") {
  using rows = tensor<float, 3, 5>;  // (T, C)
  const std::vector<std::int32_t> targets{0, 4, 2, -100, 1, 3};
  kernel_run<nn::cross_entropy, rows, tensor<std::int32_t, 3>> joint(2);
  kernel_run<nn::log_softmax, rows> first(2);
  kernel_run<nn::nll_loss, rows, tensor<std::int32_t, 3>> second(2);
  joint.integers[1] = second.integers[1] = targets;
  joint.output_gradient = second.output_gradient = {1};
  first.inputs[0] = joint.inputs[0];
  joint.forward();
  first.forward();
  second.inputs[0] = first.outputs[0];
  second.forward();
  CHECK(wide(second.outputs[0][0]) == Approx(wide(joint.outputs[0][0])));
  first.output_gradient = second.backward()[0];
  const floats wanted = joint.backward()[0], found = first.backward()[0];
  for (std::size_t i = 0; i < wanted.size(); ++i)
    CHECK(wide(found[i]) == Approx(wide(wanted[i])).epsilon(1e-5).margin(1e-7));
}

TEST_CASE("a loss names the target that is no class") {
  CHECK_THROWS_WITH(cross_entropy<3>({1, 2, 3, 1, 2, 3}, {0, 3}),
                    "cross_entropy: target 3 at place 1 of the micro-batch is no class; classes are 0 to 2, and -100 is "
                    "ignored");
  kernel_run<nn::linear_cross_entropy<2, 5>, tensor<float, 2>, tensor<std::int32_t>> run(1);
  run.integers[1] = {-1};
  CHECK_THROWS_WITH(run.forward(), Catch::Contains("linear_cross_entropy: target -1 at place 0"));
}

TEST_CASE("binary cross entropy of large logits") {
  CHECK(bce(1e4f, 0).loss == 1e4f);
  CHECK(bce(-1e4f, 1).loss == 1e4f);
  CHECK(bce(1e30f, 1).loss == 0);
  CHECK(bce(-infinity, 0.5f).loss == infinity);
  CHECK(std::isnan(bce(not_a_number, 0.5f).loss));
  CHECK(std::isnan(bce(not_a_number, 0.5f).gradient[0]));
  CHECK(wide(bce(0, 0.5f).loss) == Approx(std::log(2.0)));
  CHECK(wide(bce(1e4f, 0.25f).gradient[0]) == Approx(0.75));
  CHECK(wide(bce(-1e4f, 0.25f).gradient[0]) == Approx(-0.25));
  CHECK(wide(bce(-50, 0).loss) == Approx(std::exp(-50.0)).epsilon(1e-6));
}

}  // namespace losses_tests
