// SPDX-License-Identifier: MIT
// What metrics make of outputs, one alone and several at once.
#include <remat/remat.hpp>

#include <catch2/catch.hpp>

#include <cmath>
#include <cstdint>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace {

namespace nn = remat::nn;
using Catch::Matchers::Contains;

template <std::size_t K>
double share(const std::vector<float>& outputs, const std::vector<std::int32_t>& targets,
             const remat::tensor_shape& shape) {
  remat::top_k<K> metric;
  metric.add(outputs, targets, shape);
  return metric.value();
}

}  // namespace

TEST_CASE("top_k counts targets among the K highest") {
  const remat::tensor_shape four = remat::shape_of<remat::tensor<float, 4>>::value;
  const std::vector<float> outputs{1, 4, 3, 2, 5, 5, 5, 5};
  CHECK(share<1>(outputs, {1, 0}, four) == 1);
  CHECK(share<1>(outputs, {2, 1}, four) == 0);
  CHECK(share<2>(outputs, {2, 1}, four) == 1);  // of equal outputs, the class of the lower number is higher
  CHECK(share<2>(outputs, {3, 2}, four) == 0);
  CHECK(share<3>(outputs, {3, 3}, four) == 0.5);
  CHECK(share<4>(outputs, {0, 3}, four) == 1);
  CHECK(share<4>(outputs, {-1, 9}, four) == 0);  // the first does not count, the second is no class
  CHECK(remat::top_k<1>{}.value() == 0);
  CHECK_THROWS_WITH(share<5>(outputs, {0, 0}, four),
                    Contains("top_k<5> needs at least 5 classes, and the outputs have 4"));
  CHECK_THROWS_WITH(share<2>(outputs, {0}, four), Contains("top_k<2>: 1 targets for 2 outputs"));

  const remat::tensor_shape pixels = remat::shape_of<remat::tensor<float, 3, 1, 2>>::value;  // (C, H, W)
  CHECK(share<1>({1, 6, 2, 5, 3, 4}, {2, 0}, pixels) == 1);
  CHECK(share<2>({1, 6, 2, 5, 3, 4}, {0, 1}, pixels) == 0.5);
}

TEST_CASE("a target is missed where one of its outputs is NaN") {
  const remat::tensor_shape four = remat::shape_of<remat::tensor<float, 4>>::value,
                            pixels = remat::shape_of<remat::tensor<float, 4, 1, 2>>::value;
  const float nan = std::nanf("");
  for (std::size_t c = 0; c < 4; ++c)
    for (std::int32_t target : {0, 1, 2, 3}) {
      std::vector<float> outputs{1, 4, 3, 2, 1, 4, 3, 2};
      outputs[c] = nan;
      remat::accuracy of_rows, of_pixels;
      of_rows.add(outputs, std::vector{target, 1}, four);
      CHECK(of_rows.value() == 0.5);
      CHECK(share<1>(outputs, {target, 1}, four) == 0.5);
      CHECK(share<4>(outputs, {target, 1}, four) == 0.5);

      std::vector<float> image{1, 1, 4, 4, 3, 3, 2, 2};  // (4, 1, 2)
      image[2 * c] = nan;
      of_pixels.add(image, std::vector{target, 1}, pixels);
      CHECK(of_pixels.value() == 0.5);
    }
}

TEST_CASE("classes are the channels of images, and the last extent of rows") {
  // Two places and three classes; the right ones are 2 and 0.
  const std::vector<float> rows{0, 1, 2, 5, 4, 3}, image{0, 5, 1, 4, 2, 3};
  const remat::tensor_shape two_rows = remat::shape_of<remat::tensor<float, 2, 3>>::value,
                            pixels = remat::shape_of<remat::tensor<float, 3, 1, 2>>::value;
  for (const auto& [targets, wanted] : {std::pair{std::vector{2, 0}, 1.0}, std::pair{std::vector{2, 1}, 0.5}}) {
    remat::accuracy of_rows, of_pixels;
    of_rows.add(rows, targets, two_rows);
    of_pixels.add(image, targets, pixels);
    CHECK(of_rows.value() == wanted);
    CHECK(of_pixels.value() == wanted);
  }
  CHECK(share<2>(rows, {1, 1}, two_rows) == 1);
}

TEST_CASE("mean_squared_error is the mean over all elements") {
  remat::mean_squared_error metric;
  const remat::tensor_shape two = remat::shape_of<remat::tensor<float, 2>>::value;
  metric.add(std::vector<float>{1, 2, 3, 4}, std::vector<float>{1, 0, 3, 5}, two);
  metric.add(std::vector<float>{1, 1}, std::vector<double>{2, 1}, two);
  CHECK(metric.value() == Approx(1.0));
  CHECK_THROWS_WITH(metric.add(std::vector<float>{1, 1}, std::vector<float>{1}, two),
                    Contains("1 targets for 2 outputs"));
}

TEST_CASE("evaluate returns the values of several metrics in one pass") {
  using classifier =
      remat::model<remat::sequential<nn::linear<6, 5>, nn::log_softmax>, remat::tensor<float, 6>, nn::nll_loss>;
  classifier model{{.seed = 1}};
  std::vector<std::pair<std::vector<float>, std::vector<std::int32_t>>> batches(3);
  for (std::size_t b = 0; b < batches.size(); ++b) {
    for (std::size_t i = 0; i < 24; ++i)
      batches[b].first.push_back(static_cast<float>(std::sin(static_cast<double>(i + 24 * b))));
    for (std::size_t i = 0; i < 4; ++i) batches[b].second.push_back(static_cast<std::int32_t>((i + b) % 5));
  }
  const auto all = model.evaluate(
      batches, remat::metrics{remat::accuracy{}, remat::top_k<1>{}, remat::top_k<3>{}, remat::top_k<5>{}});
  static_assert(std::is_same_v<decltype(all), const std::tuple<double, double, double, double>>);
  const auto [first, one, three, five] = all;
  CHECK(first == model.evaluate(batches, remat::accuracy{}));
  CHECK(one == first);
  CHECK(three >= one);
  CHECK(three == model.evaluate(batches, remat::top_k<3>{}));
  CHECK(five == 1);
}
