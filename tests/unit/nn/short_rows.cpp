// SPDX-License-Identifier: MIT
#include "same_bits.hpp"

#include <remat/nn/short_rows.hpp>

#include <remat/nn/log_softmax.hpp>
#include <remat/nn/softmax.hpp>

#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <random>
#include <span>
#include <vector>

namespace short_rows_tests {

namespace detail = remat::nn::detail;

constexpr std::size_t sizes[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 15, 16, 17, 21, 31, 32, 33, 48, 63, 64};

std::vector<float> random_numbers(std::size_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, 3);
  std::vector<float> values(count);
  for (float& each : values) each = normal(random);
  return values;
}

/// Those that kernels take for rows of this length.
struct loops {
  bool is_log;

  auto forward(std::size_t size) const {
    return is_log ? detail::loop_for_rows_of(size, detail::log_softmax_columns, detail::log_softmax_short_rows,
                                             detail::log_softmax_rows)
                  : detail::loop_for_rows_of(size, detail::softmax_columns, detail::softmax_short_rows,
                                             detail::softmax_rows);
  }
  auto backward(std::size_t size) const {
    return is_log ? detail::loop_for_rows_of(size, detail::log_softmax_columns_backward,
                                             detail::log_softmax_short_rows_backward, detail::log_softmax_rows_backward)
                  : detail::loop_for_rows_of(size, detail::softmax_columns_backward,
                                             detail::softmax_short_rows_backward, detail::softmax_rows_backward);
  }
};
constexpr loops softmax{false}, log_softmax{true};

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
  for (const loops& of : {softmax, log_softmax})
    for (const std::size_t size : sizes)
      for (const std::size_t rows : {1u, 5u, 16u, 17u, 40u, 64u, 143u}) {
        INFO((of.is_log ? "log-softmax of " : "softmax of ") << rows << " rows of " << size);
        const auto x = random_numbers(rows * size, 1), dy = random_numbers(rows * size, 2);
        std::vector<float> y(x.size()), dx(x.size()), sum(x.size(), 1);
        of.forward(size)(x.data(), y.data(), size, 0, rows);
        of.backward(size)(y.data(), dy.data(), dx.data(), false, size, 0, rows);
        of.backward(size)(y.data(), dy.data(), sum.data(), true, size, 0, rows);
        for (std::size_t row = 0; row < rows; ++row)
          expect_row(of.is_log, &x[row * size], &y[row * size], &dy[row * size], &dx[row * size], size);
        for (std::size_t k = 0; k < x.size(); ++k) CHECK(sum[k] == 1 + dx[k]);
      }
}

TEST_CASE("what a short row gives depends neither on its place nor on where its results are") {
  const std::size_t rows = 145;
  for (const loops& of : {softmax, log_softmax})
    for (const std::size_t size : {1u, 2u, 3u, 4u, 5u, 6u, 7u, 8u, 9u, 21u}) {
      INFO((of.is_log ? "log-softmax of rows of " : "softmax of rows of ") << size);
      const auto x = random_numbers(rows * size, 3), dy = random_numbers(rows * size, 4);
      const auto forward = of.forward(size);
      const auto backward = of.backward(size);
      std::vector<float> y(x.size()), dx(x.size()), moved = x, moved_gradient = dy;
      forward(x.data(), y.data(), size, 0, rows);
      backward(y.data(), dy.data(), dx.data(), false, size, 0, rows);
      for (std::size_t row = 0; row < rows; ++row) {
        const std::size_t at = row * size;
        std::vector<float> alone(size), gradient(size);
        forward(&x[at], alone.data(), size, 0, 1);
        CHECK(same_bits(alone, std::span(y).subspan(at, size)));
        backward(alone.data(), &dy[at], gradient.data(), false, size, 0, 1);
        CHECK(same_bits(gradient, std::span(dx).subspan(at, size)));
      }
      for (const std::size_t cut : {7u, 16u, 64u, 144u}) {  // as two threads would do it
        std::vector<float> again(x.size());
        forward(x.data(), again.data(), size, 0, cut);
        forward(x.data(), again.data(), size, cut, rows);
        CHECK(again == y);
        backward(y.data(), dy.data(), again.data(), false, size, 0, cut);
        backward(y.data(), dy.data(), again.data(), false, size, cut, rows);
        CHECK(again == dx);
      }
      forward(moved.data(), moved.data(), size, 0, rows);
      CHECK(moved == y);
      backward(y.data(), moved_gradient.data(), moved_gradient.data(), false, size, 0, rows);
      CHECK(moved_gradient == dx);
    }
}

TEST_CASE("a NaN, or nothing but infinities, makes a short row NaN and no other") {
  const float infinity = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
  for (const loops& of : {softmax, log_softmax})
    for (const std::size_t size : {2u, 3u, 4u, 5u, 6u, 7u, 8u, 9u})
      for (std::size_t at = 0; at < size; ++at) {
        INFO((of.is_log ? "log-softmax of " : "softmax of ") << size << ", element " << at);
        const std::size_t rows = 70;
        std::vector<float> x = random_numbers(rows * size, 5), y(x.size());
        for (const std::size_t row : {0u, 66u}) x[row * size + at] = nan;
        for (std::size_t c = 0; c < size; ++c) x[2 * size + c] = -infinity;
        x[3 * size + at] = infinity;
        x[4 * size + at] = -infinity;
        of.forward(size)(x.data(), y.data(), size, 0, rows);
        for (std::size_t row = 0; row < rows; ++row)
          for (std::size_t c = 0; c < size; ++c) {
            const float result = y[row * size + c];
            if (row == 0 || row == 2 || row == 3 || row == 66)
              CHECK(std::isnan(result));
            else if (row == 4 && c == at)
              CHECK(result == (of.is_log ? -infinity : 0));
            else
              CHECK(std::isfinite(result));
          }
      }
}

}  // namespace short_rows_tests
