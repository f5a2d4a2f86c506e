// SPDX-License-Identifier: MIT
// What metrics make of outputs, one alone and several at once.
#include <remat/remat.hpp>

#include <catch2/catch.hpp>

#include <array>
#include <cmath>
#include <cstdint>
#include <span>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace metrics_tests {

namespace nn = remat::nn;
using Catch::Matchers::Contains;
using classifier =
    remat::model<remat::sequential<nn::linear<6, 5>, nn::log_softmax>, remat::tensor<float, 6>, nn::nll_loss>;

template <std::size_t K>
double share(const std::vector<float>& outputs, const std::vector<std::int32_t>& targets,
             const remat::tensor_shape& shape) {
  remat::top_k<K> metric;
  metric.add(outputs, targets, shape);
  return metric.value();
}

TEST_CASE("top_k counts targets among the K highest") {
  const remat::tensor_shape four = remat::shape_of<remat::tensor<float, 4>>::value;
  const std::vector<float> outputs{1, 4, 3, 2, 5, 5, 5, 5};
  CHECK(share<1>(outputs, {1, 0}, four) == 1);
  CHECK(share<1>(outputs, {2, 1}, four) == 0);
  CHECK(share<2>(outputs, {2, 1}, four) == 1);  // of equal outputs, the class of the lower number is higher
  CHECK(share<2>(outputs, {3, 2}, four) == 0);
  CHECK(share<3>(outputs, {3, 3}, four) == 0.5);
  CHECK(share<4>(outputs, {0, 3}, four) == 1);
  CHECK(share<4>(outputs, {-1, 3}, four) == 1);  // the first does not count
  CHECK_THROWS_WITH(share<5>(outputs, {0, 0}, four),
                    Contains("top_k<5> needs at least 5 classes, and the outputs have 4"));
  CHECK_THROWS_WITH(share<2>(outputs, {0}, four), Contains("top_k<2>: 1 targets for 2 outputs"));

  const remat::tensor_shape pixels = remat::shape_of<remat::image<float, 3, 1, 2>>::value;  // (C, H, W)
  CHECK(share<1>({1, 6, 2, 5, 3, 4}, {2, 0}, pixels) == 1);
  CHECK(share<2>({1, 6, 2, 5, 3, 4}, {0, 1}, pixels) == 0.5);
}

TEST_CASE("a target is missed where one of its outputs is NaN") {
  const remat::tensor_shape four = remat::shape_of<remat::tensor<float, 4>>::value,
                            pixels = remat::shape_of<remat::image<float, 4, 1, 2>>::value;
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
                            pixels = remat::shape_of<remat::image<float, 3, 1, 2>>::value;
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

TEST_CASE("a metric of nothing is NaN") {
  const remat::tensor_shape four = remat::shape_of<remat::tensor<float, 4>>::value;
  CHECK(std::isnan(remat::accuracy{}.value()));
  CHECK(std::isnan(remat::top_k<1>{}.value()));
  CHECK(std::isnan(remat::mean_squared_error{}.value()));
  CHECK(std::isnan(share<1>({1, 2, 3, 4}, {-100}, four)));
  classifier model{{.seed = 1}};
  const std::vector<std::pair<std::vector<float>, std::vector<std::int32_t>>> no_batches;
  CHECK(std::isnan(model.evaluate(no_batches, remat::accuracy{})));
}

TEST_CASE("a target that is no class is refused by name") {
  const remat::tensor_shape three = remat::shape_of<remat::tensor<float, 3>>::value;
  const std::vector<float> outputs{1, 4, 3, 2, 5, 6};
  const auto refusal = [&](auto metric, const auto& targets, const auto& text) {
    CHECK_THROWS_WITH(metric.add(outputs, targets, three), Contains(text));
  };
  refusal(remat::accuracy{}, std::vector{1, 99},
          "accuracy: target 99 at place 1 of the batch is no class; classes are 0 to 2");
  refusal(remat::top_k<2>{}, std::vector{3, 0}, "top_k<2>: target 3 at place 0");
  refusal(remat::accuracy{}, std::vector<std::int64_t>{1, (std::int64_t{1} << 32) + 2}, "target 4294967298 at place 1");
  refusal(remat::accuracy{}, std::vector{~std::uint64_t{0}, std::uint64_t{1}},
          "target 18446744073709551615 at place 0");
  refusal(remat::accuracy{}, std::vector<float>{1, 1.5f}, "target 1.5 at place 1");
  refusal(remat::accuracy{}, std::vector<float>{1, std::nanf("")}, "target nan at place 1");
  refusal(remat::accuracy{}, std::vector<float>{-0.5f, 1}, "target -0.5 at place 0");
  refusal(remat::accuracy{}, std::vector<std::uint8_t>{1, 255}, "target 255 at place 1");
  remat::accuracy ignoring{{.ignore_index = 255}};
  ignoring.add(outputs, std::vector<std::uint8_t>{1, 255}, three);
  CHECK(ignoring.value() == 1);
  remat::top_k<1> first{{.ignore_index = 1}};
  first.add(outputs, std::vector{1, 2}, three);
  CHECK(first.value() == 1);
}

TEST_CASE("one logit is right on its side of the threshold") {
  using logit = remat::model<nn::linear<1, 1>, remat::tensor<float, 1>, nn::bce_with_logits>;
  logit model{{.seed = 1}};
  model.parameter("weight").values[0] = 10;
  model.parameter("bias").values[0] = 0;
  const std::vector<float> inputs{1, 1, 1, -1, -1};
  const auto share = [&](const auto& targets, remat::accuracy_options options = {}) {
    return model.evaluate(std::vector{std::pair(inputs, targets)}, remat::accuracy{options});
  };
  CHECK(share(std::vector<float>{1, 1, 1, 0, 0}) == 1);
  CHECK(share(std::vector<double>{0, 1, 1, 0, 0}) == 0.8);
  CHECK(share(std::vector{1, 1, 1, 0, 0}) == 1);
  CHECK(share(std::vector{1, 1, 1, 0, 1}) == 0.8);
  CHECK(share(std::vector{1, 1, 1, 0, -100}) == 1);  // does not count
  CHECK(share(std::vector<std::uint8_t>{1, 1, 0, 0, 0}) == 0.8);
  CHECK(share(std::vector<std::int64_t>{1, 1, 1, 0, 0}) == 1);
  CHECK(share(std::array{true, true, true, false, false}) == 1);
  CHECK(share(std::vector<float>{1, 1, 1, 0, 0}, {.threshold = 20}) == 0.4);
  CHECK(share(std::vector{1, 1, 7, 0, 0}, {.ignore_index = 7}) == 1);
  CHECK_THROWS_WITH(share(std::vector<float>{1, 1, 1, 0, -1}),
                    Contains("target -1 at place 4 of the batch is neither"));
  CHECK_THROWS_WITH(share(std::vector{1, 1, 2, 0, 0}), Contains("target 2 at place 2 of the batch is neither 0 nor 1"));
  CHECK_THROWS_WITH(share(std::vector<float>{0.25f, 1, 1, 0, 0}), Contains("target 0.25 at place 0"));
}

TEST_CASE("several labels of a sample are counted one by one") {
  const remat::tensor_shape three = remat::shape_of<remat::tensor<float, 3>>::value,
                            pixels = remat::shape_of<remat::image<float, 1, 1, 2>>::value;
  remat::accuracy labels, probabilities{{.threshold = 0.5f}}, masks;
  labels.add(std::vector<float>{1, -1, 0, 2, -2, std::nanf("")}, std::vector<float>{1, 0, 1, 0, 0, 0}, three);
  CHECK(labels.value() == 0.5);  // an output of 0 says 0, and NaN is missed
  probabilities.add(std::vector<float>{0.9f, 0.1f, 0.5f}, std::vector{1, 0, 0}, three);
  CHECK(probabilities.value() == 1);
  masks.add(std::vector<float>{3, -3}, std::vector{1, 1}, pixels);
  CHECK(masks.value() == 0.5);
}

TEST_CASE("batches of several inputs are evaluated") {
  using row = remat::tensor<float, 3>;
  const remat::model<remat::sequential<remat::nn::add>, remat::tensors<row, row>, remat::nn::cross_entropy> model{{}};
  const std::vector<float> a{1, 0, 0, 0, 1, 0}, b{0, 0, 2, 0, 3, 0};  // the largest sums are those of 2 and 1
  const std::vector<std::int32_t> t{2, 0};
  CHECK(model.evaluate(remat::in_memory(2, a, b, t).batches(1), remat::accuracy{}) == 0.5);
}

TEST_CASE("evaluate returns the values of several metrics in one pass") {
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

TEST_CASE("metrics that are merged have seen what both have seen") {
  const std::vector<float> outputs{0, 2, 1, 3, 1, 2, 5, 4, 3, 0, 0, 1};
  const std::vector<std::int32_t> targets{1, 1, 0, 2};
  const std::span<const float> all(outputs);
  const std::span<const std::int32_t> classes(targets);
  const remat::tensor_shape shape = remat::shape_of<remat::tensor<float, 3>>::value;
  const auto check = [&](const auto& made) {
    auto whole = made, first = made, second = made;
    whole.add(all, classes, shape);
    first.add(all.first(3), classes.first(1), shape);
    second.add(all.subspan(3), classes.subspan(1), shape);
    CHECK(first.value() != whole.value());
    first.merge(second);
    CHECK(first.value() == whole.value());
    whole.merge(made);  // which has seen nothing
    CHECK(first.value() == whole.value());
  };
  check(remat::accuracy{});
  check(remat::top_k<2>{});
  check(remat::metrics{remat::accuracy{}, remat::top_k<1>{}});

  remat::mean_squared_error whole, first, second;
  whole.add(all, outputs, shape);
  const std::vector<float> zeros(12, 0.0f);
  whole.add(all, zeros, shape);
  first.add(all, outputs, shape);
  second.add(all, zeros, shape);
  first.merge(second);
  CHECK(first.value() == whole.value());
}

}  // namespace metrics_tests
