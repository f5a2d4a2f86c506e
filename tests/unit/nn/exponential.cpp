// SPDX-License-Identifier: MIT
#include "larger.hpp"

#include <remat/nn/exponential.hpp>

#include <catch2/catch.hpp>

#include <cmath>
#include <limits>

namespace exponential_tests {

using remat::nn::detail::exponential;
using remat::nn::detail::log_one_plus;

TEST_CASE("the exponential is right to a unit in the last place or two") {
  double worst = 0;
  for (int i = 0; i < 870'000; ++i) {
    const float x = static_cast<float>(-i) * 1e-4f;
    worst = larger(worst, std::abs(static_cast<double>(exponential(x)) / std::exp(static_cast<double>(x)) - 1));
  }
  INFO("largest relative error " << worst);
  CHECK(worst < 2.5e-7);
  CHECK(exponential(0) == 1);
  CHECK(exponential(-1e30f) == 0);
  CHECK(exponential(-std::numeric_limits<float>::infinity()) == 0);
  CHECK(std::isnan(exponential(std::numeric_limits<float>::quiet_NaN())));
}

TEST_CASE("the logarithm of 1 + z is right to two units in the last place, down to the smallest z") {
  double worst = 0;
  for (int i = 0; i <= 900'000; ++i) {
    const float z = i < 500'000 ? static_cast<float>(i) * 2e-6f : std::exp(static_cast<float>(i - 500'000) * -2e-4f);
    if (z == 0 || z > 1) continue;
    worst = larger(worst, std::abs(static_cast<double>(log_one_plus(z)) / std::log1p(static_cast<double>(z)) - 1));
  }
  INFO("largest relative error " << worst);
  CHECK(worst < 2.5e-7);
  CHECK(log_one_plus(0) == 0);
  CHECK(std::isnan(log_one_plus(std::numeric_limits<float>::quiet_NaN())));
}

}  // namespace exponential_tests
