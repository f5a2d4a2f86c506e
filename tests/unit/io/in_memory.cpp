// SPDX-License-Identifier: MIT
// Batches of arrays in memory: every sample once with its own target, in stored or shuffled order.
#include <remat/remat.hpp>

#include <catch2/catch.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <numeric>
#include <set>
#include <span>
#include <tuple>
#include <vector>

namespace in_memory_tests {

using Catch::Matchers::Contains;
namespace nn = remat::nn;

/// Sample i has the inputs 10 i and 10 i + 1.
std::vector<float> inputs_of(std::size_t samples) {
  std::vector<float> inputs;
  for (std::size_t i = 0; i < samples; ++i)
    for (std::size_t k = 0; k < 2; ++k) inputs.push_back(static_cast<float>(10 * i + k));
  return inputs;
}

TEST_CASE("every sample comes once with its label", "[io][in_memory]") {
  const std::vector<float> inputs = inputs_of(10);
  std::vector<std::int64_t> labels(10);
  std::iota(labels.begin(), labels.end(), 0);
  const auto data = remat::in_memory(inputs, labels);
  CHECK(data.size() == 10);
  std::vector<std::int64_t> stored, shuffled, again;
  std::vector<std::size_t> sizes;
  const auto visit = [&](const remat::batch_options& options, std::vector<std::int64_t>& order) {
    for (auto [x, t] : data.batches(4, options)) {
      REQUIRE(x.size() == 2 * t.size());
      for (std::size_t i = 0; i < t.size(); ++i) {
        REQUIRE(x[2 * i] == static_cast<float>(10 * t[i]));
        REQUIRE(x[2 * i + 1] == static_cast<float>(10 * t[i] + 1));
        order.push_back(t[i]);
      }
      sizes.push_back(t.size());
    }
  };
  visit({}, stored);
  CHECK(stored == labels);
  CHECK(sizes == std::vector<std::size_t>{4, 4, 2});
  visit({.shuffle_seed = 1}, shuffled);
  visit({.shuffle_seed = 1}, again);
  CHECK(shuffled == again);
  CHECK(shuffled != labels);
  CHECK(std::set(shuffled.begin(), shuffled.end()).size() == 10);
  again.clear();
  visit({.shuffle_seed = 1, .epoch = 1}, again);
  CHECK(shuffled != again);
  CHECK(data.batches(4, {.last = remat::last_batch::drop}).count() == 2);
}

TEST_CASE("an epoch may begin with any of its batches, and with none", "[io][in_memory]") {
  const std::vector<float> inputs = inputs_of(10);
  std::vector<int> labels(10);
  std::iota(labels.begin(), labels.end(), 0);
  const auto data = remat::in_memory(inputs, labels);
  for (const bool is_shuffled : {false, true}) {
    remat::batch_options options;
    if (is_shuffled) options.shuffle_seed = 2;
    std::vector<std::vector<int>> all;
    for (auto [x, t] : data.batches(4, options)) all.emplace_back(t.begin(), t.end());
    for (options.first = 0; options.first <= 3; ++options.first) {
      auto range = data.batches(4, options);
      CHECK(range.position() == options.first);
      for (auto [x, t] : range) {
        const std::size_t current = range.position() - 1;
        CHECK(std::ranges::equal(t, all[current]));
      }
      CHECK(range.position() == 3);
    }
  }
}

TEST_CASE("the order is that of an image set of the same seed", "[io][in_memory]") {
  std::vector<std::uint8_t> pixels(12);
  std::vector<std::int32_t> labels(12);
  std::iota(labels.begin(), labels.end(), 0);
  const std::vector<float> images(12);
  const remat::image_set set(pixels, labels, {1, 1, 1});
  std::vector<std::int32_t> of_set, of_arrays;
  for (auto [x, t] : set.batches(5, {.shuffle_seed = 7})) of_set.insert(of_set.end(), t.begin(), t.end());
  for (auto [x, t] : remat::in_memory(images, labels).batches(5, {.shuffle_seed = 7}))
    of_arrays.insert(of_arrays.end(), t.begin(), t.end());
  CHECK(of_set == of_arrays);
}

TEST_CASE("any number of arrays of any type has as many samples as is said", "[io][in_memory]") {
  const std::vector<float> inputs = inputs_of(6);
  const std::array<std::int32_t, 18> tokens{0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4, 5, 5, 5};
  const bool flags[6] = {true, false, true, false, true, false};
  const auto data = remat::in_memory(6, inputs, tokens, flags);
  std::size_t seen = 0;
  for (auto [x, words, flag] : data.batches(4, {.shuffle_seed = 3})) {
    for (std::size_t i = 0; i < flag.size(); ++i, ++seen) {
      CHECK(x[2 * i] == static_cast<float>(10 * words[3 * i]));
      CHECK(words[3 * i] == words[3 * i + 2]);
      CHECK(flag[i] == (words[3 * i] % 2 == 0));
    }
  }
  CHECK(seen == 6);
}

TEST_CASE("batches in stored order view the arrays, and shuffled ones are gathered in one place", "[io][in_memory]") {
  const std::vector<float> inputs = inputs_of(9);
  const std::vector<std::int32_t> labels(9);
  const auto data = remat::in_memory(inputs, labels);
  auto stored = data.batches(3), shuffled = data.batches(3, {.shuffle_seed = 1});
  const float* next = inputs.data();
  for (auto [x, t] : stored) {
    CHECK(x.data() == next);  // the array itself
    next += 6;
  }
  std::set<const float*> places;
  for (auto [x, t] : shuffled) places.insert(x.data());
  for (auto [x, t] : shuffled) places.insert(x.data());
  CHECK(places.size() == 1);
}

TEST_CASE("a model is trained and evaluated on arrays", "[io][in_memory]") {
  remat::model<nn::linear<2, 3>, remat::tensor<float, 2>, nn::cross_entropy> classifier{{.seed = 1}};
  const std::vector<float> inputs = inputs_of(8);
  const std::vector<std::uint8_t> labels{0, 1, 2, 0, 1, 2, 0, 1};
  const auto data = remat::in_memory(inputs, labels);
  remat::model<nn::linear<2, 3>, remat::tensor<float, 2>, nn::cross_entropy> by_hand{{.seed = 1}};
  const std::span x_of_all(inputs);
  const std::span y_of_all(labels);
  for (std::size_t i = 0; auto [x, t] : data.batches(4)) {
    CHECK(classifier.train_step(x, t) == by_hand.train_step(x_of_all.subspan(2 * i, 8), y_of_all.subspan(i, 4)));
    i += 4;
  }
  CHECK(classifier.evaluate(data.batches(3), remat::accuracy{}) ==
        by_hand.evaluate(remat::in_memory(inputs, labels).batches(8), remat::accuracy{}));

  remat::model<nn::linear<2, 3>, remat::tensor<float, 2>, nn::mse_loss> regression{{.seed = 1}};
  const std::vector<float> targets(24);
  for (auto [x, t] : remat::in_memory(8, inputs, targets).batches(8))
    CHECK(regression.train_step(x, t) == regression.train_step(inputs, targets));
}

TEST_CASE("arrays without a whole number of elements for each sample are refused", "[io][in_memory]") {
  const std::vector<float> inputs = inputs_of(4), none;
  const std::vector<std::int32_t> labels(3), no_labels;
  CHECK_THROWS_WITH(remat::in_memory(inputs, labels),
                    Contains("array 0") && Contains("8 elements") && Contains("3 samples"));
  CHECK_THROWS_WITH(remat::in_memory(4, inputs, labels), Contains("array 1"));
  CHECK_THROWS_WITH(remat::in_memory(4, none), Contains("0 elements"));
  CHECK_THROWS_WITH(remat::in_memory(inputs, no_labels), Contains("at least one sample"));
  CHECK_THROWS_WITH(remat::in_memory(-1, inputs), Contains("at least one sample"));
  CHECK_THROWS_WITH(remat::in_memory(4, inputs).batches(0), Contains("batch size 0"));
}

}  // namespace in_memory_tests
