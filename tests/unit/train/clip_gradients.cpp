// SPDX-License-Identifier: MIT
// Clipping by the global norm: PyTorch's numbers, the same bits for every number of threads, norms that are not finite.
#include <remat/remat.hpp>

#include <catch2/catch.hpp>

#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

namespace clip_gradients_tests {

namespace nn = remat::nn;
using Catch::Matchers::Contains;
using small = remat::model<remat::sequential<nn::linear<6, 5>, nn::log_softmax>, remat::tensor<float, 6>, nn::nll_loss>;
using large =
    remat::model<remat::sequential<nn::linear<2003, 1501>, nn::log_softmax>, remat::tensor<float, 2003>, nn::nll_loss>;

void set_gradients(remat::network& model, int t) {
  const auto &w = model.parameters()[0].gradient, &b = model.parameters()[1].gradient;
  for (std::size_t i = 0; i < w.size(); ++i) w[i] = static_cast<float>(std::sin(0.7 * static_cast<double>(i) + t));
  for (std::size_t i = 0; i < b.size(); ++i) b[i] = static_cast<float>(std::sin(0.9 * static_cast<double>(i) - t));
  model.accept_gradients();
}

std::vector<std::byte> gradients_of(remat::network& model) {
  const auto block = remat::internals::store(model).gradient_block();
  return {block.begin(), block.end()};
}

TEST_CASE("clip_gradients gives PyTorch's norms and weights") {
  small model{{.seed = 1}};
  const auto &w = model.parameter("0.weight").values, &b = model.parameter("0.bias").values;
  for (std::size_t i = 0; i < w.size(); ++i) w[i] = static_cast<float>(std::cos(0.3 * static_cast<double>(i) + 1));
  for (std::size_t i = 0; i < b.size(); ++i) b[i] = static_cast<float>(std::cos(0.5 * static_cast<double>(i)));
  remat::sgd optimizer{{.learning_rate = 0.1f}};
  const double norms[] = {4.254458021497734, 4.199736301211646, 4.096939023198123,
                          4.237614944259274, 4.223081317464879, 4.094421499806953};
  for (int t = 1; t <= 6; ++t) {
    set_gradients(model, t);
    CHECK(remat::clip_gradients(model, 3) == Approx(norms[t - 1]).epsilon(1e-7));
    CHECK(remat::clip_gradients(model, std::numeric_limits<double>::infinity()) == Approx(3).epsilon(1e-6));
    optimizer.step(model);
  }
  CHECK(w[0] == Approx(0.5478497379488374).epsilon(1e-6));
  CHECK(w[29] == Approx(-0.9417109284588836).epsilon(1e-6));
  CHECK(b[2] == Approx(0.5613885642414036).epsilon(1e-6));
}

TEST_CASE("gradients below the norm stay as they are") {
  small model{{.seed = 1}};
  set_gradients(model, 1);
  const auto before = gradients_of(model);
  CHECK(remat::clip_gradients(model, 4.3) == Approx(4.254458021497734));
  CHECK(gradients_of(model) == before);
}

TEST_CASE("clipping is exact to a few roundings and the same bits for every number of threads") {
  double norm = 0;
  std::vector<std::byte> clipped;
  std::vector<float> many(100'003);
  for (std::size_t i = 0; i < many.size(); ++i) many[i] = static_cast<float>(std::sin(static_cast<double>(i)));
  CHECK(remat::detail::square_sum(many, 2) == remat::detail::square_sum(many));
  for (const int threads : {1, 2, 3, 4}) {
    large model{{.seed = 1, .threads = threads}};
    set_gradients(model, 3);
    if (threads == 1) {
      long double exact = 0;
      for (const auto& p : model.parameters())
        for (const float g : p.gradient) exact += static_cast<long double>(g) * static_cast<long double>(g);
      norm = static_cast<double>(std::sqrt(exact));
      CHECK(std::abs(remat::clip_gradients(model, 1e9) - norm) <= 4 * std::numeric_limits<double>::epsilon() * norm);
      norm = remat::clip_gradients(model, 1);
      clipped = gradients_of(model);
    } else {
      CHECK(remat::clip_gradients(model, 1) == norm);
      CHECK((gradients_of(model) == clipped));
    }
  }
}

TEST_CASE("a norm that is no number is returned, and gradients stay as they are") {
  small model{{.seed = 1}};
  for (const float bad : {std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
    set_gradients(model, 1);
    model.parameter("0.bias").gradient[2] = bad;
    const auto before = gradients_of(model);
    CHECK(!std::isfinite(remat::clip_gradients(model, 1)));
    CHECK(gradients_of(model) == before);
  }
  for (float& g : model.parameter("0.weight").gradient) g = std::numeric_limits<float>::max();
  model.parameter("0.bias").gradient[2] = 0;
  CHECK(std::isfinite(remat::clip_gradients(model, 1)));  // finite gradients have a finite norm
  CHECK(model.parameter("0.weight").gradient[7] == Approx(1 / std::sqrt(30.0)).epsilon(1e-6));
}

TEST_CASE("clipping skips parameters without a gradient, and refuses a norm of 0") {
  small model{{.seed = 1}};
  set_gradients(model, 1);
  const_cast<remat::parameter_view&>(model.parameter("0.weight")).gradient = {};  // as a frozen one
  double expected = 0;
  for (const float g : model.parameter("0.bias").gradient) expected += std::pow(static_cast<double>(g), 2);
  CHECK(remat::clip_gradients(model, 100) == Approx(std::sqrt(expected)).epsilon(1e-12));
  for (const double wrong : {0.0, -1.0, std::nan("")})
    CHECK_THROWS_WITH(remat::clip_gradients(model, wrong), Contains("a number above 0 is accepted"));
}

}  // namespace clip_gradients_tests
