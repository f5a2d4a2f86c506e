// SPDX-License-Identifier: MIT
#include <remat/nn/cross_entropy_rows.hpp>

#include <catch2/catch.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

namespace cross_entropy_short_rows_tests {

namespace detail = remat::nn::detail;

TEST_CASE("cross entropy of few classes is that of many, and ignored rows count nothing whatever they hold") {
  std::mt19937 random(1);
  std::normal_distribution<float> normal(0, 3);
  constexpr std::int32_t ignored = 255;
  for (const std::size_t classes : {1u, 2u, 3u, 4u, 5u, 6u, 7u, 8u, 9u, 10u, 16u, 21u, 33u, 64u})
    for (const std::size_t rows : {1u, 15u, 16u, 50u, 64u, 143u}) {
      INFO(rows << " rows of " << classes << " classes");
      std::vector<float> x(rows * classes);
      for (float& each : x) each = normal(random);
      std::vector<std::int32_t> targets(rows);
      for (std::size_t row = 0; row < rows; ++row)
        targets[row] = row % 5 == 3 ? ignored : static_cast<std::int32_t>(random() % classes);
      if (rows > 3) x[3 * classes] = std::numeric_limits<float>::infinity();

      struct result {
        std::vector<double> losses;
        std::vector<float> largest, shares, dx;
      };
      const auto run = [&](auto forward, auto backward, bool adds) {
        result r{std::vector<double>(rows), std::vector<float>(rows), std::vector<float>(rows),
                 std::vector<float>(x.size(), 1)};
        forward(x.data(), targets.data(), ignored, r.losses.data(), r.largest.data(), r.shares.data(), classes, 0,
                rows);
        backward(x.data(), targets.data(), ignored, r.largest.data(), r.shares.data(), 0.25f, r.dx.data(), adds,
                 classes, 0, rows);
        return r;
      };
      const auto forward = detail::loop_for_rows_of(classes, detail::cross_entropy_columns,
                                                    detail::cross_entropy_short_rows, detail::cross_entropy_rows);
      const auto backward =
          detail::loop_for_rows_of(classes, detail::cross_entropy_columns_backward,
                                   detail::cross_entropy_short_rows_backward, detail::cross_entropy_rows_backward);
      for (const bool adds : {false, true}) {
        const result few = run(forward, backward, adds);
        const result many = run(detail::cross_entropy_rows, detail::cross_entropy_rows_backward, adds);
        CHECK(few.largest == many.largest);
        for (std::size_t row = 0; row < rows; ++row) {
          CHECK(few.losses[row] == Approx(many.losses[row]).epsilon(1e-6).margin(3e-7));
          CHECK(static_cast<double>(few.shares[row]) == Approx(static_cast<double>(many.shares[row])).epsilon(1e-6));
        }
        for (std::size_t k = 0; k < x.size(); ++k)
          CHECK(static_cast<double>(few.dx[k]) == Approx(static_cast<double>(many.dx[k])).margin(2e-7));
        for (std::size_t c = 0; rows > 3 && c < classes; ++c) CHECK(few.dx[3 * classes + c] == (adds ? 1 : 0));
      }

      std::vector<float> in_place = x;
      const result r = run(forward, backward, false);
      backward(in_place.data(), targets.data(), ignored, r.largest.data(), r.shares.data(), 0.25f, in_place.data(),
               false, classes, 0, rows);
      CHECK(in_place == r.dx);
      for (std::size_t row = 0; row < rows; ++row) {
        double loss, sum = 0;
        float m, share;
        forward(&x[row * classes], &targets[row], ignored, &loss, &m, &share, classes, 0, 1);
        CHECK((loss == r.losses[row] && m == r.largest[row] && share == r.shares[row]));
        if (targets[row] == ignored) continue;
        const auto e = [&](std::size_t c) { return std::exp(static_cast<double>(x[row * classes + c] - m)); };
        for (std::size_t c = 0; c < classes; ++c) sum += e(c);
        const std::size_t target = static_cast<std::size_t>(targets[row]);
        CHECK(loss == Approx(std::log(sum) - std::log(e(target))).epsilon(1e-6).margin(1e-6));
        for (std::size_t c = 0; c < classes; ++c)
          CHECK(static_cast<double>(r.dx[row * classes + c]) ==
                Approx((e(c) / sum - (c == target ? 1 : 0)) / 4).epsilon(1e-5).margin(1e-7));
      }
    }
}

TEST_CASE("a NaN makes the loss and the gradient of its row NaN and no other, and so do infinities alone") {
  const float infinity = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
  for (const std::size_t classes : {2u, 3u, 4u, 5u, 6u, 7u, 8u, 9u}) {
    INFO(classes << " classes");
    const std::size_t rows = 70;
    std::vector<float> x(rows * classes, 1), largest(rows), shares(rows), dx(x.size());
    std::vector<std::int32_t> targets(rows, 1);
    std::vector<double> losses(rows);
    targets[69] = -100;
    for (const std::size_t row : {0u, 66u, 69u}) x[row * classes] = nan;
    for (std::size_t c = 0; c < classes; ++c) x[2 * classes + c] = -infinity;
    x[3 * classes] = -infinity;
    detail::loop_for_rows_of(classes, detail::cross_entropy_columns, detail::cross_entropy_short_rows,
                             detail::cross_entropy_rows)(x.data(), targets.data(), -100, losses.data(), largest.data(),
                                                         shares.data(), classes, 0, rows);
    detail::loop_for_rows_of(classes, detail::cross_entropy_columns_backward, detail::cross_entropy_short_rows_backward,
                             detail::cross_entropy_rows_backward)(x.data(), targets.data(), -100, largest.data(),
                                                                  shares.data(), 1, dx.data(), false, classes, 0, rows);
    for (std::size_t row = 0; row < rows; ++row) {
      const bool is_none = row == 0 || row == 2 || row == 66;
      CHECK(std::isnan(losses[row]) == is_none);
      for (std::size_t c = 0; c < classes; ++c) CHECK(std::isnan(dx[row * classes + c]) == is_none);
    }
    CHECK(dx[3 * classes] == 0);
    CHECK(losses[69] == 0);
    CHECK(dx[69 * classes] == 0);
  }
}

}  // namespace cross_entropy_short_rows_tests
