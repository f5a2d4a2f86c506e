// SPDX-License-Identifier: MIT
// The model's own loss as a metric: the mean over what counts in all batches, in inference.
#include <remat/remat.hpp>

#include <catch2/catch.hpp>

#include <cmath>
#include <cstdint>
#include <utility>
#include <vector>

namespace mean_loss_tests {

namespace nn = remat::nn;

using floats = std::vector<float>;
using integers = std::vector<std::int32_t>;
const floats x{1, 2, -1, 0.5f, 3, 1, 0.25f, -2, 1, 1};
const integers t{0, -100, 1, 2, 1};

template <class Loss, class Targets>
void check(const Targets& targets) {
  remat::model<remat::sequential<nn::linear<2, 3>>, remat::tensor<float, 2>, Loss> m{{.seed = 1}};
  const double whole = static_cast<double>(m.train_step(x, targets));
  const std::size_t each = targets.size() / 5;
  std::vector<std::pair<floats, Targets>> batches;
  for (const auto& [first, last] : {std::pair{0, 2}, {2, 3}, {3, 5}})
    batches.push_back(
        {floats(x.begin() + 2 * first, x.begin() + 2 * last),
         Targets(targets.begin() + first * static_cast<int>(each), targets.begin() + last * static_cast<int>(each))});
  CHECK(m.evaluate(batches, remat::mean_loss{}) == Approx(whole).epsilon(1e-6));
}

TEST_CASE("mean_loss is the loss of the whole set, however it is cut into batches") {
  check<nn::cross_entropy>(t);
  check<nn::cross_entropy_with<nn::class_weights<3>, nn::label_smoothing<0.125>>>(t);
  check<nn::mse_loss>(floats{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15});
  check<nn::linear_cross_entropy<3, 7>>(t);
}

TEST_CASE("mean_loss of a model that computes with bfloat16 is its loss, but for the rounding of factors") {
  using net = remat::sequential<nn::linear<2, 3>>;
  remat::model<net, remat::tensor<float, 2>, nn::linear_cross_entropy<3, 7>> m{
      {.seed = 1, .compute = remat::element::bfloat16}};
  const std::vector<std::pair<floats, integers>> batches{{x, t}};
  CHECK(m.evaluate(batches, remat::mean_loss{}) == Approx(static_cast<double>(m.train_step(x, t))).epsilon(0.01));
}

TEST_CASE("mean_loss has what smoothing adds to batches whose targets have weights of 0") {
  using loss = nn::cross_entropy_with<nn::class_weights<3>, nn::label_smoothing<0.125>>;
  remat::model<remat::sequential<nn::linear<2, 3>>, remat::tensor<float, 2>, loss> m{{.seed = 1}};
  m.states()[0].values[0] = 0;
  using batches = std::vector<std::pair<floats, integers>>;
  const double whole = m.evaluate(batches{{{1, 2, -1, 0.5f, 3, 1}, {0, 0, 1}}}, remat::mean_loss{});
  CHECK(m.evaluate(batches{{{1, 2, -1, 0.5f}, {0, 0}}, {{3, 1}, {1}}}, remat::mean_loss{}) ==
        Approx(whole).epsilon(1e-6));
  CHECK(std::isnan(m.evaluate(batches{{{1, 2, -1, 0.5f}, {0, 0}}}, remat::mean_loss{})));
}

TEST_CASE("mean_loss refuses targets that are no integers of the loss, as a step does") {
  remat::model<remat::sequential<nn::linear<2, 3>>, remat::tensor<float, 2>, nn::cross_entropy> m{{.seed = 1}};
  const auto refused = Catch::Matchers::Contains("at place 1 of the batch is no class");
  const std::vector<std::pair<floats, std::vector<std::int64_t>>> wide{{{1, 2, -1, 0.5f}, {0, (1ll << 32) + 1}}};
  const std::vector<std::pair<floats, std::vector<std::uint32_t>>> wrapped{{{1, 2, -1, 0.5f}, {0, 4294967196u}}};
  CHECK_THROWS_WITH(m.evaluate(wide, remat::mean_loss{}), refused);
  CHECK_THROWS_WITH(m.evaluate(wrapped, remat::mean_loss{}), refused);
}

TEST_CASE("mean_loss of images, with other metrics, in inference") {
  using net = remat::sequential<nn::conv2d<2, 3, 1>, nn::batch_norm2d<3>, nn::dropout<>>;
  remat::model<net, remat::image<float, 2, 2, 2>, nn::cross_entropy> m{{.seed = 1}};
  floats images(32);
  for (std::size_t i = 0; i < images.size(); ++i) images[i] = std::sin(static_cast<float>(i));
  integers targets(16);
  for (std::size_t i = 0; i < targets.size(); ++i) targets[i] = i == 5 ? -100 : static_cast<std::int32_t>(i % 3);
  const auto outputs = m.predict(images);  // (N, C, H, W)
  double sum = 0;
  for (std::size_t n = 0; n < 4; ++n)
    for (std::size_t pixel = 0; pixel < 4; ++pixel) {
      if (targets[n * 4 + pixel] < 0) continue;
      double all = 0;
      const auto at = [&](std::size_t c) { return static_cast<double>(outputs[(n * 3 + c) * 4 + pixel]); };
      for (std::size_t c = 0; c < 3; ++c) all += std::exp(at(c));
      sum += std::log(all) - at(static_cast<std::size_t>(targets[n * 4 + pixel]));
    }
  const std::vector<std::pair<floats, integers>> batches{{images, targets}};
  const auto [loss, right] = m.evaluate(batches, remat::metrics{remat::mean_loss{}, remat::accuracy{}});
  CHECK(loss == Approx(sum / 15).epsilon(1e-5));
  CHECK(right == m.evaluate(batches, remat::accuracy{}));
}

TEST_CASE("mean_loss of nothing is NaN, and of targets that do not fit an error") {
  remat::model<remat::sequential<nn::linear<2, 3>>, remat::tensor<float, 2>, nn::cross_entropy> m{{.seed = 1}};
  using batches = std::vector<std::pair<floats, integers>>;
  CHECK(std::isnan(m.evaluate(batches{}, remat::mean_loss{})));
  CHECK(std::isnan(m.evaluate(batches{{{1, 2}, {-100}}}, remat::mean_loss{})));
  CHECK_THROWS_WITH(m.evaluate(batches{{{1, 2}, {0, 1}}}, remat::mean_loss{}),
                    Catch::Contains("2 targets for 1 samples"));
  CHECK_THROWS_WITH(m.evaluate(batches{{{1, 2}, {7}}}, remat::mean_loss{}), Catch::Contains("target 7 at place 0"));
  remat::model<remat::sequential<nn::linear<2, 3>>, remat::tensor<float, 2>> none{{.seed = 1}};
  CHECK_THROWS_WITH(none.evaluate(batches{{{1, 2}, {0}}}, remat::mean_loss{}), Catch::Contains("this model has none"));
}

}  // namespace mean_loss_tests
