// SPDX-License-Identifier: MIT
// What a user hands over: any range of float or of integers, and what does not fit is refused by its value.
#include <remat/remat.hpp>

#include <catch2/catch.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <span>
#include <string>
#include <vector>

namespace source_tests {

namespace nn = remat::nn;
using Catch::Matchers::Contains;

using classifier = remat::model<nn::linear<2, 3>, remat::tensor<float, 2>, nn::cross_entropy>;
using table = remat::model<nn::embedding<4, 2>, remat::tensor<std::int32_t, 2>>;

constexpr std::array<float, 4> inputs{1, -1, 2, 3};

/// The loss under targets of some type.
template <class T>
float loss(const std::vector<T>& targets) {
  classifier m{{.seed = 1}};
  return m.train_step(inputs, targets);
}

template <class T>
std::string refusal(T first, T second) {
  classifier m{{.seed = 1}};
  try {
    m.train_step(inputs, std::vector<T>{first, second});
  } catch (const remat::error& e) {
    return e.what();
  }
  return {};
}

TEST_CASE("targets are integers of any type, and the same loss") {
  const float wanted = loss(std::vector<std::int32_t>{1, 0});
  CHECK(loss(std::vector<std::int64_t>{1, 0}) == wanted);
  CHECK(loss(std::vector<std::uint64_t>{1, 0}) == wanted);
  CHECK(loss(std::vector<std::uint32_t>{1, 0}) == wanted);
  CHECK(loss(std::vector<std::int16_t>{1, 0}) == wanted);
  CHECK(loss(std::vector<std::int8_t>{1, 0}) == wanted);
  CHECK(loss(std::vector<std::uint8_t>{1, 0}) == wanted);
  CHECK(loss(std::vector<long long>{1, 0}) == wanted);
  classifier m{{.seed = 1}};
  CHECK(m.train_step(inputs, std::array{true, false}) == wanted);
  CHECK(loss(std::vector<std::int64_t>{1, -100}) == loss(std::vector<std::int32_t>{1, -100}));
}

TEST_CASE("a target that int32 cannot hold is refused by its value and place") {
  constexpr std::int64_t beyond = (std::int64_t{1} << 32) + 2;  // 2 in its lower half
  CHECK(refusal<std::int64_t>(1, beyond) ==
        "target 4294967298 at place 1 of the batch is no class; target 0 holds integers from -2147483648 to "
        "2147483647");
  CHECK_THAT(refusal<std::int64_t>(std::numeric_limits<std::int64_t>::min(), 1),
             Contains("target -9223372036854775808 at place 0"));
  CHECK_THAT(refusal<std::uint64_t>(0, std::numeric_limits<std::uint64_t>::max()),
             Contains("target 18446744073709551615 at place 1"));
  CHECK_THAT(refusal<std::uint32_t>(2147483648u, 1), Contains("target 2147483648 at place 0"));
  CHECK_THAT(refusal<std::int64_t>(7, 1), Contains("target 7 at place 0 of the micro-batch is no class"));
  CHECK_THAT(refusal<std::int64_t>(1, -1), Contains("target -1 at place 1 of the micro-batch is no class"));

  classifier halves{{.seed = 1, .microbatches = 2}};
  CHECK_THROWS_WITH(halves.train_step(inputs, std::vector{std::int64_t{0}, beyond}), Contains("4294967298 at place 1"));
  table rows{{.seed = 1}};
  CHECK_THROWS_WITH(
      rows.predict(std::vector<std::int64_t>{0, 1, 2, -beyond}),
      Contains("input 0 holds integers from -2147483648 to 2147483647, and was given -4294967298 at place 3"));
  CHECK_THROWS_WITH(rows.predict(std::vector<std::uint64_t>{5, 1}), Contains("index 5 at place 0"));
}

TEST_CASE("inputs are ranges of any kind whose numbers are in memory") {
  classifier m{{.seed = 1}};
  const std::span<const float> first = m.predict(inputs);
  const std::vector<float> wanted(first.begin(), first.end());
  const auto check = [&](std::span<const float> found) {
    CHECK((std::vector<float>(found.begin(), found.end()) == wanted));
  };
  check(m.predict(std::vector<float>(inputs.begin(), inputs.end())));  // a temporary
  check(m.predict(std::span(inputs)));
  check(m.predict(std::initializer_list<float>{1, -1, 2, 3}));
  const float flat[] = {1, -1, 2, 3}, rows[2][2] = {{1, -1}, {2, 3}};
  check(m.predict(flat));
  check(m.predict(rows));
  float changeable[2][2] = {{1, -1}, {2, 3}};
  check(m.predict(changeable));
}

TEST_CASE("images go from channels-first to channels-last and back") {
  for (const auto [count, channels, height, width] : {std::array<std::size_t, 4>{1, 3, 5, 7},
                                                      {2, 64, 8, 8},
                                                      {3, 65, 9, 15},
                                                      {2, 2, 100, 3},
                                                      {1, 130, 1, 17},
                                                      {5, 17, 16, 16},
                                                      {2, 1, 4, 4},
                                                      {1, 200, 33, 4},
                                                      {2, 3, 64, 49},
                                                      {1, 4, 40, 40}}) {
    const remat::tensor_shape shape{
        remat::element::float32, true, 3, {channels, height, width}, remat::memory_layout::channels_last};
    std::vector<float> first(count * shape.elements()), last(first.size()), back(first.size());
    for (std::size_t i = 0; i < first.size(); ++i) first[i] = static_cast<float>(i);
    remat::detail::to_channels_last(first.data(), last.data(), shape, count);
    bool is_right = true;
    for (std::size_t n = 0, i = 0; n < count; ++n)
      for (std::size_t c = 0; c < channels; ++c)
        for (std::size_t pixel = 0; pixel < height * width; ++pixel, ++i)
          is_right = is_right && last[(n * height * width + pixel) * channels + c] == first[i];
    CHECK(is_right);
    remat::detail::to_channels_first(last.data(), back.data(), shape, count);
    CHECK((back == first));
  }
}

}  // namespace source_tests
