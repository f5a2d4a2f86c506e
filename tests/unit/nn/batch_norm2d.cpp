// SPDX-License-Identifier: MIT
// Batch norm against its formulas in double, where channels are few, odd and many, pixels are few, and means are large.
#include <remat/remat.hpp>

#include <catch2/catch.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <utility>
#include <vector>

#include "larger.hpp"
#include "one_layer.hpp"

namespace batch_norm2d_tests {

namespace nn = remat::nn;
using remat::activation;

double as_double(float x) { return static_cast<double>(x); }

/// The largest error, relative to the largest value, or to that of the terms where they cancel.
double error_of(const std::vector<float>& found, const std::vector<double>& exact, double terms = 0) {
  double error = 0, largest = terms;
  for (std::size_t i = 0; i < exact.size(); ++i) {
    error = larger(error, std::abs(as_double(found[i]) - exact[i]));
    largest = std::max(largest, std::abs(exact[i]));
  }
  return error / largest;
}

template <std::size_t C, std::size_t H, std::size_t W>
remat::program norm() {
  return remat::lower<remat::sequential<nn::batch_norm2d<C>>, remat::image<float, C, H, W>>();
}

void check(layer_run&& layer, activation after, float mean, double bound) {
  for (float& v : layer.x) v += mean;
  const std::size_t C = layer.parameters[0].size(), rows = layer.x.size() / C;
  const double count = static_cast<double>(rows);
  std::vector<double> y(layer.x.size()), dx(y.size()), dweight(C), dbias(C), variances(C);
  double steepest = 0;
  for (std::size_t c = 0; c < C; ++c) {
    double m = 0, v = 0;
    for (std::size_t r = 0; r < rows; ++r) m += as_double(layer.x[r * C + c]) / count;
    for (std::size_t r = 0; r < rows; ++r) v += std::pow(as_double(layer.x[r * C + c]) - m, 2) / count;
    const double inverse = 1 / std::sqrt(v + 1e-5), scale = inverse * as_double(layer.parameters[0][c]);
    variances[c] = v;
    steepest = std::max(steepest, std::abs(scale));
    const auto at = [&](std::size_t r) { return r * C + c; };
    const auto normal = [&](std::size_t r) { return (as_double(layer.x[at(r)]) - m) * inverse; };
    for (std::size_t r = 0; r < rows; ++r) {
      double& value = y[at(r)] = normal(r) * as_double(layer.parameters[0][c]) + as_double(layer.parameters[1][c]);
      // A gradient of 0 where rounding could decide on which side of 0 it is.
      if (after == activation::relu && std::abs(value) < 1e-3) layer.dy[at(r)] = 0;
      if (after == activation::relu && value <= 0) value = 0;
    }
    const auto g = [&](std::size_t r) {
      return after == activation::relu && y[at(r)] <= 0 ? 0 : as_double(layer.dy[at(r)]);
    };
    for (std::size_t r = 0; r < rows; ++r) {
      dbias[c] += g(r);
      dweight[c] += g(r) * normal(r);
    }
    for (std::size_t r = 0; r < rows; ++r)
      dx[at(r)] = scale * (g(r) - dbias[c] / count - normal(r) * dweight[c] / count);
  }
  layer.forward();
  layer.update_state();
  layer.backward();
  CHECK(error_of(layer.y, y) < bound);
  CHECK(error_of(layer.dx, dx, steepest) < bound);
  CHECK(error_of(layer.gradients[0], dweight, std::sqrt(count)) < bound);
  CHECK(error_of(layer.gradients[1], dbias, std::sqrt(count)) < bound);
  for (std::size_t c = 0; c < C; ++c)
    CHECK(as_double(layer.states[1][c]) == Approx(0.9 + 0.1 * variances[c] * count / (count - 1)).epsilon(1e-6));
}

template <std::size_t C, std::size_t H, std::size_t W>
void check(std::size_t batch, activation after, float mean = 0, double bound = 2e-6) {
  INFO("(" << C << ", " << H << ", " << W << "), batch " << batch << ", mean " << mean);
  check(layer_run(norm<C, H, W>(), batch, after, true, false), after, mean, bound);
}

void check_same_bits(const remat::program& layer, std::size_t batch, activation after) {
  const auto made = [&](bool adds) { return layer_run(layer, batch, after, true, adds); };
  layer_run one = made(false), two = made(false), adding = made(true);
  const std::vector<float> before = adding.dx;
  const auto gradients_before = adding.gradients;
  one.forward(1);
  two.forward(3);
  adding.forward(2);
  one.backward(1);
  two.backward(2, false);
  adding.backward(3);
  CHECK(same_bits(one.y, two.y));
  CHECK(same_bits(one.dx, two.dx));
  CHECK(same_bits(one.gradients[0], two.gradients[0]));
  CHECK(same_bits(one.gradients[1], two.gradients[1]));
  auto sum = before;
  for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += one.dx[i];
  CHECK(same_bits(sum, adding.dx));
  for (std::size_t k = 0; k < 2; ++k) {
    auto parameter_sum = gradients_before[k];
    for (std::size_t i = 0; i < parameter_sum.size(); ++i) parameter_sum[i] += one.gradients[k][i];
    CHECK(same_bits(parameter_sum, adding.gradients[k]));
  }
}
template <std::size_t C, std::size_t H, std::size_t W>
void check_same_bits(std::size_t batch, activation after) {
  INFO("(" << C << ", " << H << ", " << W << "), batch " << batch);
  check_same_bits(norm<C, H, W>(), batch, after);
}

TEST_CASE("batch norm gives what its formulas say") {
  for (const activation after : {activation::none, activation::relu}) {
    check<1, 9, 7>(3, after);
    check<3, 31, 33>(5, after);
    check<16, 1, 1>(2, after);
    check<17, 5, 3>(1, after);
    check<33, 1, 2>(1, after);
    check<64, 32, 32>(8, after);
    check<65, 13, 11>(4, after);
    check<100, 9, 7>(5, after);  // rows in fours, and rows after them
    check<1100, 4, 3>(3, after);
  }
}

TEST_CASE("a large mean does not hide a variance from batch norm") {
  check<3, 31, 33>(5, activation::none, 1000, 2e-4);  // an input of 1000 is itself known to 6e-5
  check<64, 16, 16>(8, activation::none, 1000, 2e-4);
  check<65, 7, 7>(3, activation::relu, 1000, 2e-4);
}

TEST_CASE("batch norm follows a mean that differs from one sample to the next") {
  layer_run layer(norm<64, 16, 16>(), 8, activation::none, true, false);
  const std::size_t sample = layer.x.size() / 8;
  for (std::size_t i = 0; i < layer.x.size(); ++i) {
    const std::size_t n = i / sample;
    layer.x[i] += static_cast<float>(100 * n * n);
  }
  for (std::size_t i = 0; i < sample; ++i) layer.x[i] = 0;  // nothing varies in the first blocks
  check(std::move(layer), activation::none, 0, 2e-6);
}

TEST_CASE("batch norm gives the same bits on any number of threads, in halves and when it adds") {
  for (const activation after : {activation::none, activation::relu}) {
    check_same_bits<3, 31, 33>(5, after);
    check_same_bits<64, 32, 32>(8, after);
    check_same_bits<65, 13, 11>(40, after);
    check_same_bits<100, 9, 7>(41, after);
    check_same_bits<1100, 4, 3>(30, after);
    check_same_bits<33, 1, 2>(1, after);
  }
}

TEST_CASE("batch norm works in place in inference, from its states") {
  one_layer<nn::batch_norm2d<5>, remat::image<float, 5, 6, 7>> layer(3, activation::relu, false);
  layer.states = {made_up(5, 1), {0.1f, 0.5f, 1, 2, 3}};
  layer.forward(2);
  for (std::size_t i = 0; i < layer.y.size(); ++i) {
    const std::size_t c = i % 5;
    const double normal = as_double(layer.x[i] - layer.states[0][c]) / std::sqrt(as_double(layer.states[1][c]) + 1e-5);
    const double value = normal * as_double(layer.parameters[0][c]) + as_double(layer.parameters[1][c]);
    CHECK(as_double(layer.y[i]) == Approx(std::max(value, 0.0)).epsilon(1e-5).margin(1e-6));
  }
}

TEST_CASE("batch norm is not trained on one value a channel") {
  using input = remat::image<float, 4, 1, 1>;
  CHECK_THROWS_WITH((one_layer<nn::batch_norm2d<4>, input>(1)), Catch::Matchers::Contains("more than one value"));
  CHECK_NOTHROW((one_layer<nn::batch_norm2d<4>, input>(1, activation::none, false)));
}

using block = remat::sequential<nn::conv2d<2, 6, 3>, nn::batch_norm2d<6>, nn::relu, nn::conv2d<6, 5, 3>,
                                remat::named<"last", nn::batch_norm2d<5>>>;
using net = remat::sequential<remat::named<"block", block>, nn::flatten, nn::linear<80, 3>, nn::log_softmax>;
using model = remat::model<net, remat::image<float, 2, 8, 8>, nn::nll_loss>;

TEST_CASE("batch statistics are followed once a step, whatever is recomputed") {
  const std::vector<float> x = made_up(6 * 128, 1);
  const std::vector<std::int32_t> targets{0, 1, 2, 2, 1, 0};
  model plain{{.seed = 1}}, checked{{.seed = 1, .checkpoints = {remat::checkpoint_at("")}}};
  for (int i = 0; i < 3; ++i) CHECK(plain.train_step(x, targets) == checked.train_step(x, targets));
  CHECK(checked.plan().recompute > 0);
  REQUIRE(plain.states().size() == 4);
  CHECK(plain.states()[3].name == "block.last.running_var");
  for (std::size_t i = 0; i < 4; ++i) CHECK(std::ranges::equal(plain.states()[i].values, checked.states()[i].values));
  for (std::size_t i = 0; i < plain.parameters().size(); ++i)
    CHECK(std::ranges::equal(plain.parameters()[i].gradient, checked.parameters()[i].gradient));
  CHECK(remat::audit(checked, x, targets).holds());
}

TEST_CASE("batch statistics follow micro-batches one after another") {
  const std::vector<float> x = made_up(6 * 128, 1);
  const std::vector<std::int32_t> targets{0, 1, 2, 2, 1, 0};
  model whole{{.seed = 1}}, parts{{.seed = 1, .checkpoints = {remat::checkpoint_at("")}, .microbatches = 3}};
  parts.train_step(x, targets);
  for (std::size_t i = 0; i < 3; ++i)
    whole.train_step(std::span(x).subspan(i * 256, 256), std::span(targets).subspan(i * 2, 2));
  for (std::size_t i = 0; i < 4; ++i) CHECK(std::ranges::equal(whole.states()[i].values, parts.states()[i].values));
}

}  // namespace batch_norm2d_tests
