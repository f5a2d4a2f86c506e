// SPDX-License-Identifier: MIT
#include "same_bits.hpp"

#include <remat/nn/short_rows.hpp>

#include <remat/nn/log_softmax.hpp>
#include <remat/nn/softmax.hpp>

#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <random>
#include <vector>

namespace short_rows_tests {

namespace detail = remat::nn::detail;

constexpr std::size_t sizes[] = {1, 2, 3, 10, 15, 16, 17, 21, 31, 32, 33, 48, 63, 64};

std::vector<float> random_numbers(std::size_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, 3);
  std::vector<float> values(count);
  for (float& each : values) each = normal(random);
  return values;
}

struct loops {
  void (*forward)(const float*, float*, std::size_t, std::size_t, std::size_t);
  void (*backward)(const float*, const float*, float*, bool, std::size_t, std::size_t, std::size_t);
};
constexpr loops softmax{&detail::softmax_short_rows, &detail::softmax_short_rows_backward};
constexpr loops log_softmax{&detail::log_softmax_short_rows, &detail::log_softmax_short_rows_backward};

/// What one row gives, in double precision: its result, and the gradient of its input.
void expect_row(bool is_log, const float* x, const float* y, const float* dy, const float* dx, std::size_t size) {
  const double largest = static_cast<double>(*std::max_element(x, x + size));
  double sum = 0, dot = 0;
  for (std::size_t c = 0; c < size; ++c) sum += std::exp(static_cast<double>(x[c]) - largest);
  const auto probability = [&](std::size_t c) { return std::exp(static_cast<double>(x[c]) - largest) / sum; };
  for (std::size_t c = 0; c < size; ++c) dot += static_cast<double>(dy[c]) * (is_log ? 1 : probability(c));
  for (std::size_t c = 0; c < size; ++c) {
    const double p = probability(c), g = static_cast<double>(dy[c]);
    CHECK(static_cast<double>(y[c]) == Approx(is_log ? std::log(p) : p).epsilon(1e-6).margin(3e-7));
    CHECK(static_cast<double>(dx[c]) == Approx(is_log ? g - p * dot : p * (g - dot)).epsilon(1e-5).margin(2e-5));
  }
}

TEST_CASE("short rows of any length and number agree with double precision") {
  for (const bool is_log : {false, true})
    for (const std::size_t size : sizes)
      for (const std::size_t rows : {1u, 5u, 16u, 17u, 40u}) {
        INFO((is_log ? "log-softmax of " : "softmax of ") << rows << " rows of " << size);
        const loops& of = is_log ? log_softmax : softmax;
        const auto x = random_numbers(rows * size, 1), dy = random_numbers(rows * size, 2);
        std::vector<float> y(x.size()), dx(x.size()), sum(x.size(), 1);
        of.forward(x.data(), y.data(), size, 0, rows);
        of.backward(y.data(), dy.data(), dx.data(), false, size, 0, rows);
        of.backward(y.data(), dy.data(), sum.data(), true, size, 0, rows);
        for (std::size_t row = 0; row < rows; ++row)
          expect_row(is_log, &x[row * size], &y[row * size], &dy[row * size], &dx[row * size], size);
        for (std::size_t k = 0; k < x.size(); ++k) CHECK(sum[k] == 1 + dx[k]);
      }
}

TEST_CASE("what a short row gives depends neither on its place nor on where its results are") {
  const std::size_t size = 21, rows = 45;
  const auto x = random_numbers(rows * size, 3), dy = random_numbers(rows * size, 4);
  for (const loops* of : {&softmax, &log_softmax}) {
    std::vector<float> y(x.size()), dx(x.size()), alone(size), moved = x, moved_gradient = dy;
    of->forward(x.data(), y.data(), size, 0, rows);
    of->backward(y.data(), dy.data(), dx.data(), false, size, 0, rows);
    for (std::size_t row = 0; row < rows; ++row) {
      of->forward(&x[row * size], alone.data(), size, 0, 1);
      CHECK(same_bits(alone, std::span(y).subspan(row * size, size)));
    }
    for (const std::size_t cut : {7u, 16u, 44u}) {  // as two threads would do it
      std::vector<float> again(x.size());
      of->forward(x.data(), again.data(), size, 0, cut);
      of->forward(x.data(), again.data(), size, cut, rows);
      CHECK(again == y);
    }
    of->forward(moved.data(), moved.data(), size, 0, rows);
    CHECK(moved == y);
    of->backward(y.data(), moved_gradient.data(), moved_gradient.data(), false, size, 0, rows);
    CHECK(moved_gradient == dx);
  }
}

TEST_CASE("a NaN, or nothing but infinities, makes a short row NaN and no other") {
  const float infinity = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
  for (const loops* of : {&softmax, &log_softmax}) {
    std::vector<float> x{0, nan, 1, 0, 1, 2, -infinity, -infinity, -infinity, 1, infinity, 0, -infinity, 0, 0}, y(15);
    of->forward(x.data(), y.data(), 3, 0, 5);
    for (const std::size_t row : {0u, 2u, 3u})
      for (std::size_t c = 0; c < 3; ++c) CHECK(std::isnan(y[row * 3 + c]));
    for (const std::size_t k : {3u, 4u, 5u, 13u, 14u}) CHECK(std::isfinite(y[k]));
    CHECK(y[12] == (of == &softmax ? 0 : -infinity));
  }
}

}  // namespace short_rows_tests
