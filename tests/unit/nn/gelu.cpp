// SPDX-License-Identifier: MIT
// gelu against the definition in double, wherever y is a normal number.
#include "larger.hpp"
#include "one_layer.hpp"

#include <remat/remat.hpp>

#include <catch2/catch.hpp>

#include <cmath>
#include <cstddef>
#include <limits>
#include <numbers>
#include <vector>

namespace gelu_tests {

double below(double x) { return std::erfc(-x / std::numbers::sqrt2) / 2; }
double density(double x) { return std::exp(-x * x / 2) / std::sqrt(2 * std::numbers::pi); }

using layer = one_layer<remat::nn::gelu, remat::tensor<float, 1>>;

TEST_CASE("gelu is right to a few units in the last place, far out to the left, too") {
  constexpr std::size_t size = 300'001;
  layer of(size);
  for (std::size_t i = 0; i < size; ++i) of.x[i] = -13 + static_cast<float>(i) * (26.0f / (size - 1));
  for (float& each : of.dy) each = 1;
  of.forward();
  of.backward();
  double worst = 0, worst_slope = 0;
  for (std::size_t i = 0; i < size; ++i) {
    const double x = static_cast<double>(of.x[i]), y = x * below(x), slope = below(x) + x * density(x);
    if (x != 0) worst = larger(worst, std::abs(static_cast<double>(of.y[i]) / y - 1));
    // The slope is 0 at -0.7518: there the difference counts, relative to the terms that cancel.
    const double terms = x < 0 ? below(x) - x * density(x) : 1;
    worst_slope = larger(worst_slope, std::abs(static_cast<double>(of.dx[i]) - slope) / terms);
  }
  INFO("largest relative errors: " << worst << ", slope " << worst_slope);
  CHECK(worst < 4e-7);
  CHECK(worst_slope < 4e-7);
}

TEST_CASE("gelu of what is no ordinary number, and of the largest ones") {
  constexpr float infinity = std::numeric_limits<float>::infinity(), largest = std::numeric_limits<float>::max();
  layer of(6);
  of.x = {infinity, largest, -largest, 0.0f, -0.0f, std::numeric_limits<float>::quiet_NaN()};
  for (float& each : of.dy) each = 2;
  of.forward();
  of.backward();
  CHECK(of.y[0] == infinity);
  CHECK(of.y[1] == largest);
  CHECK(of.y[2] == 0);
  CHECK(of.y[3] == 0);
  CHECK(std::signbit(of.y[4]));
  CHECK(std::isnan(of.y[5]));
  CHECK(of.dx[0] == 2);
  CHECK(of.dx[1] == 2);
  CHECK(of.dx[2] == 0);
  CHECK(of.dx[3] == 1);
  CHECK(std::isnan(of.dx[5]));
}

TEST_CASE("gelu has the same bits at any number of threads, and adds what it would write") {
  constexpr std::size_t size = 20'003;
  layer one(size), two(size), adding(size, remat::activation::none, true, true);
  const std::vector<float> before = adding.dx;
  one.forward(1), one.backward(1);
  two.forward(2), two.backward(2);
  adding.forward(2), adding.backward(2);
  CHECK(same_bits(one.y, two.y));
  CHECK(same_bits(one.dx, two.dx));
  for (std::size_t i = 0; i < size; ++i) REQUIRE(adding.dx[i] == before[i] + one.dx[i]);
}

}  // namespace gelu_tests
