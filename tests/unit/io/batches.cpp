// SPDX-License-Identifier: MIT
#include <remat/io/batches.hpp>

#include <catch2/catch.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <ranges>
#include <vector>

namespace batches_tests {

using Catch::Contains;
using remat::last_batch;

static_assert(std::ranges::input_range<remat::batch_range>);
static_assert(!std::ranges::forward_range<remat::batch_range>);

/// `count` samples of 3 bytes; sample i holds i, i + 1, i + 2 and has the label 1000 + i. Byte b is read as b / 2.
class numbered_samples {
 public:
  explicit numbered_samples(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      for (std::size_t j = 0; j < 3; ++j) bytes_.push_back(static_cast<std::uint8_t>(i + j));
      labels_.push_back(static_cast<std::int32_t>(1000 + i));
    }
    for (std::size_t byte = 0; byte < 256; ++byte) values_[byte] = static_cast<float>(byte) / 2;
  }

  remat::batch_range batches(std::size_t batch_size, const remat::batch_options& options = {}) const {
    return remat::batch_range{{bytes_, labels_, values_}, batch_size, options};
  }

 private:
  std::vector<std::uint8_t> bytes_;
  std::vector<std::int32_t> labels_;
  std::array<float, 256> values_{};
};

/// The samples that a range visits, after a check that their pixels are their own.
std::vector<std::int32_t> visited(remat::batch_range range) {
  std::vector<std::int32_t> order;
  for (auto [images, labels] : range) {
    REQUIRE(images.size() == 3 * labels.size());
    for (std::size_t i = 0; i < labels.size(); ++i) {
      order.push_back(labels[i] - 1000);
      const float pixel = static_cast<float>(order.back());
      for (std::size_t j = 0; j < 3; ++j) REQUIRE(images[3 * i + j] == (pixel + static_cast<float>(j)) / 2);
    }
  }
  return order;
}

std::vector<std::size_t> sizes(remat::batch_range range) {
  std::vector<std::size_t> found;
  for (auto [images, labels] : range) found.push_back(labels.size());
  REQUIRE(found.size() == range.count());
  return found;
}

std::vector<std::int32_t> first(std::size_t count) {
  std::vector<std::int32_t> order;
  for (std::size_t i = 0; i < count; ++i) order.push_back(static_cast<std::int32_t>(i));
  return order;
}

TEST_CASE("without a seed the order is as stored", "[io][batches]") {
  const numbered_samples samples{10};
  for (const std::size_t batch_size : {1u, 2u, 3u, 9u, 10u, 11u})
    CHECK(visited(samples.batches(batch_size)) == first(10));
}

TEST_CASE("a smaller last batch is kept, or dropped where that is asked for", "[io][batches]") {
  const numbered_samples samples{10};
  using list = std::vector<std::size_t>;
  CHECK(sizes(samples.batches(4)) == list{4, 4, 2});
  CHECK(sizes(samples.batches(4, {.last = last_batch::keep})) == list{4, 4, 2});
  CHECK(sizes(samples.batches(4, {.last = last_batch::drop})) == list{4, 4});
  CHECK(sizes(samples.batches(5, {.last = last_batch::keep})) == list{5, 5});
  CHECK(sizes(samples.batches(5, {.last = last_batch::drop})) == list{5, 5});
  CHECK(sizes(samples.batches(10, {.last = last_batch::drop})) == list{10});
  CHECK(sizes(samples.batches(static_cast<std::size_t>(-1))) == list{10});
  CHECK(visited(samples.batches(4, {.last = last_batch::drop})) == first(8));
}

TEST_CASE("shuffled, each sample comes exactly once", "[io][batches]") {
  const numbered_samples samples{200};
  for (const std::size_t batch_size : {1u, 7u, 200u, 300u}) {
    std::vector<int> times(200);
    for (const std::int32_t sample : visited(samples.batches(batch_size, {.shuffle_seed = 3})))
      ++times[static_cast<std::size_t>(sample)];
    CHECK(times == std::vector<int>(200, 1));
  }
}

TEST_CASE("a seed and an epoch give one order, whatever the batch size", "[io][batches]") {
  const numbered_samples samples{200};
  const auto order = visited(samples.batches(7, {.shuffle_seed = 3, .epoch = 1}));
  CHECK(visited(samples.batches(7, {.shuffle_seed = 3, .epoch = 1})) == order);
  CHECK(visited(samples.batches(64, {.shuffle_seed = 3, .epoch = 1})) == order);
  CHECK(visited(samples.batches(7, {.shuffle_seed = 3, .epoch = 2})) != order);
  CHECK(visited(samples.batches(7, {.shuffle_seed = 4, .epoch = 1})) != order);
  CHECK(visited(samples.batches(7, {.shuffle_seed = 0})) != first(200));
  CHECK(visited(samples.batches(7, {.epoch = 2})) == first(200));
}

TEST_CASE("a range can begin again, and its batches share two buffers", "[io][batches]") {
  const numbered_samples samples{10};
  remat::batch_range range = samples.batches(4, {.shuffle_seed = 3});
  const remat::batch first_batch = *range.begin();
  std::vector<std::int32_t> once, again;
  for (auto [images, labels] : range) {
    CHECK(images.data() == first_batch.images.data());
    CHECK(labels.data() == first_batch.labels.data());
    once.insert(once.end(), labels.begin(), labels.end());
  }
  for (auto position = range.begin(); position != range.end(); position++) {
    const auto [images, labels] = *position;
    again.insert(again.end(), labels.begin(), labels.end());
  }
  CHECK(once == again);
}

TEST_CASE("a run that was stopped within an epoch goes on with the batch that comes next", "[io][batches]") {
  const numbered_samples samples{10};
  const auto whole = visited(samples.batches(4, {.shuffle_seed = 3}));
  remat::batch_range range = samples.batches(4, {.shuffle_seed = 3});
  CHECK(range.position() == 0);
  std::size_t given = 0;
  for ([[maybe_unused]] auto each : range) {
    const std::size_t position = range.position();
    CHECK(position == ++given);
    remat::batch_range rest = samples.batches(4, {.shuffle_seed = 3, .first = position});
    CHECK(rest.position() == position);
    CHECK(rest.count() == 3);
    const auto order = visited(rest);
    const auto expected = std::vector<std::int32_t>(
        whole.begin() + static_cast<std::ptrdiff_t>(std::min<std::size_t>(10, 4 * given)), whole.end());
    CHECK(order == expected);
  }
  CHECK(range.position() == 3);
  CHECK_THROWS_WITH(samples.batches(4, {.first = 4}), Contains("batch 4 to begin with") && Contains("0 to 3"));
}

TEST_CASE("a batch size that gives no batch is refused", "[io][batches]") {
  const numbered_samples samples{10};
  CHECK_THROWS_AS(samples.batches(0), remat::error);
  CHECK_THROWS_WITH(samples.batches(0), Contains("batch size 0 cannot split 10 samples; at least 1 is accepted"));
  CHECK_THROWS_AS(samples.batches(11, {.last = last_batch::drop}), remat::error);
  CHECK_THROWS_WITH(samples.batches(11, {.last = last_batch::drop}), Contains("at most 10, or last_batch::keep"));
  CHECK(sizes(samples.batches(11)) == std::vector<std::size_t>{10});
}

TEST_CASE("of no samples there are no batches", "[io]") {
  CHECK_THROWS_WITH(remat::detail::batch_order(0, 4, {}), Catch::Matchers::Contains("there are no samples"));
}

}  // namespace batches_tests
