// SPDX-License-Identifier: MIT
#include <remat/io/shuffled_order.hpp>

#include <catch2/catch.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

namespace shuffled_order_tests {

using remat::shuffled_order;
using order = std::vector<std::size_t>;

TEST_CASE("an order is a permutation", "[io][shuffled_order]") {
  for (const std::size_t count : {0u, 1u, 2u, 3u, 17u, 1000u}) {
    order sorted = shuffled_order(count, 5, 0);
    REQUIRE(sorted.size() == count);
    std::sort(sorted.begin(), sorted.end());
    for (std::size_t i = 0; i < count; ++i) REQUIRE(sorted[i] == i);
  }
}

TEST_CASE("an order depends on all bits of seed and epoch, and on nothing else", "[io][shuffled_order]") {
  const std::uint64_t high = std::uint64_t{1} << 40;
  CHECK(shuffled_order(100, 5, 3) == shuffled_order(100, 5, 3));
  CHECK(shuffled_order(100, 5, 3) != shuffled_order(100, 5, 4));
  CHECK(shuffled_order(100, 5, 3) != shuffled_order(100, 6, 3));
  CHECK(shuffled_order(100, 5, 3) != shuffled_order(100, 5, 3 + high));
  CHECK(shuffled_order(100, 5, 3) != shuffled_order(100, 5 + high, 3));
  CHECK(shuffled_order(100, 5, 3) != shuffled_order(100, 3, 5));
}

TEST_CASE("an order is the same on every platform", "[io][shuffled_order]") {
  // By a separate implementation of Philox4x32-10 and Fisher-Yates in Python.
  CHECK(shuffled_order(10, 1, 0) == order{5, 6, 1, 7, 8, 9, 2, 4, 3, 0});
  CHECK(shuffled_order(10, 0x123456789abcdef0, 0xfedcba9876543210) == order{9, 1, 2, 8, 4, 5, 6, 3, 7, 0});
}

TEST_CASE("every permutation is equally likely", "[io][shuffled_order]") {
  std::map<order, int> seen;
  const int epochs = 24'000;
  for (int epoch = 0; epoch < epochs; ++epoch) ++seen[shuffled_order(4, 9, static_cast<std::uint64_t>(epoch))];
  REQUIRE(seen.size() == 24);
  double chi_squared = 0;
  for (const auto& [permutation, times] : seen) chi_squared += (times - 1000.0) * (times - 1000.0) / 1000.0;
  CHECK(chi_squared < 49.7);  // 23 degrees of freedom: 1 in 1000 by chance, and the seed is fixed
}

TEST_CASE("draws below a bound have no bias", "[io][shuffled_order]") {
  remat::detail::bounded_draws draws{2, 0};
  const std::uint64_t bound = std::uint64_t{3} << 62;  // a plain remainder would draw the lowest third twice as often
  int lowest_third = 0;
  for (int i = 0; i < 30'000; ++i) {
    const std::uint64_t drawn = draws.below(bound);
    REQUIRE(drawn < bound);
    lowest_third += drawn < bound / 3 ? 1 : 0;
  }
  CHECK(lowest_third > 9'700);
  CHECK(lowest_third < 10'300);
  for (int i = 0; i < 10; ++i) CHECK(draws.below(1) == 0);
}

}  // namespace shuffled_order_tests
