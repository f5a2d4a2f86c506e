// SPDX-License-Identifier: MIT
#include <remat/core/parameter.hpp>
#include <remat/core/random.hpp>

#include <catch2/catch.hpp>

#include <cmath>
#include <vector>

namespace random_tests {

TEST_CASE("Philox gives the published numbers") {
  // Random123's known answers for philox4x32-10.
  const auto zero = remat::random_stream(0, 0).block(0);
  CHECK(zero == std::array<std::uint32_t, 4>{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  const auto ones = remat::random_stream(~0ull, ~0u, ~0u, ~0u).block(0xffffffff);
  CHECK(ones == std::array<std::uint32_t, 4>{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
}

TEST_CASE("every part of a stream's name matters") {
  const auto base = remat::random_stream(1, 2, 3, 4).block(5);
  CHECK(base == remat::random_stream(1, 2, 3, 4).block(5));
  CHECK(base != remat::random_stream(9, 2, 3, 4).block(5));
  CHECK(base != remat::random_stream(1ull << 40 | 1, 2, 3, 4).block(5));
  CHECK(base != remat::random_stream(1, 9, 3, 4).block(5));
  CHECK(base != remat::random_stream(1, 2, 9, 4).block(5));
  CHECK(base != remat::random_stream(1, 2, 3, 9).block(5));
  CHECK(base != remat::random_stream(1, 2, 3, 4).block(9));
}

TEST_CASE("initial values are uniform within 1 / sqrt(fan-in)") {
  std::vector<float> values(100'003);
  remat::initial::uniform_fan_in(25).fill(values, remat::random_stream(1, 2));
  double sum = 0, squares = 0, largest = 0;
  for (float v : values) {
    sum += v;
    squares += static_cast<double>(v) * v;
    largest = std::max(largest, std::abs(static_cast<double>(v)));
  }
  const double n = static_cast<double>(values.size());
  CHECK(largest <= 0.2);
  CHECK(largest > 0.1999);
  CHECK(std::abs(sum / n) < 5 * 0.2 / std::sqrt(3 * n));
  CHECK(squares / n == Approx(0.04 / 3).epsilon(0.01));
}

TEST_CASE("initial values are normal with the deviation that is asked for, in each place of a block") {
  std::vector<float> values(400'000);
  remat::initial::normal(0.02).fill(values, remat::random_stream(1, 2));
  const double n = static_cast<double>(values.size()) / 4;
  for (std::size_t lane = 0; lane < 4; ++lane) {
    double sum = 0, squares = 0, fourth = 0, with_next = 0;
    for (std::size_t i = lane; i < values.size(); i += 4) {
      const double v = static_cast<double>(values[i]) / 0.02, next = static_cast<double>(values[i ^ 1]) / 0.02;
      sum += v;
      squares += v * v;
      fourth += v * v * v * v;
      with_next += v * next;
    }
    CHECK(std::abs(sum / n) < 5 / std::sqrt(n));
    CHECK(squares / n == Approx(1).epsilon(0.03));
    CHECK(fourth / n == Approx(3).epsilon(0.1));  // of no other distribution of this variance
    CHECK(std::abs(with_next / n) < 5 / std::sqrt(n));
  }
}

}  // namespace random_tests
