// SPDX-License-Identifier: MIT
#include <remat/nn/log_softmax.hpp>

#include <catch2/catch.hpp>

#include <cmath>
#include <limits>
#include <vector>

namespace log_softmax_tests {

std::vector<float> log_softmax(const std::vector<float>& x) {
  std::vector<float> y(x.size());
  remat::nn::detail::log_softmax_rows(x.data(), y.data(), x.size(), 0, 1);
  return y;
}

TEST_CASE("log-softmax agrees with double precision for any number of classes") {
  for (std::size_t classes : {1u, 2u, 10u, 15u, 16u, 17u, 64u, 1000u}) {
    std::vector<float> x(classes);
    for (std::size_t c = 0; c < classes; ++c) x[c] = 10 * std::sin(static_cast<float>(3 * c));
    double sum = 0;
    for (float v : x) sum += std::exp(static_cast<double>(v));
    const auto y = log_softmax(x);
    for (std::size_t c = 0; c < classes; ++c)
      CHECK(static_cast<double>(y[c]) == Approx(static_cast<double>(x[c]) - std::log(sum)).epsilon(3e-7).margin(2e-7));
  }
}

TEST_CASE("log-softmax neither overflows nor hides a NaN") {
  const auto y = log_softmax({1e30f, -1e30f, 1e30f});
  CHECK(static_cast<double>(y[0]) == Approx(-std::log(2.0)));
  CHECK(std::isnan(log_softmax({0.0f, std::numeric_limits<float>::quiet_NaN(), 1.0f})[0]));
}

}  // namespace log_softmax_tests
