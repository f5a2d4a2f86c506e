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
  for (const std::size_t classes : {1u, 2u, 10u, 16u, 21u, 33u, 64u})
    for (const std::size_t rows : {1u, 15u, 16u, 50u}) {
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
      for (const bool adds : {false, true}) {
        const result few = run(detail::cross_entropy_short_rows, detail::cross_entropy_short_rows_backward, adds);
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

      std::vector<float> in_place = x, apart(x.size());
      const result r = run(detail::cross_entropy_short_rows, detail::cross_entropy_short_rows_backward, false);
      detail::cross_entropy_short_rows_backward(in_place.data(), targets.data(), ignored, r.largest.data(),
                                                r.shares.data(), 0.25f, in_place.data(), false, classes, 0, rows);
      CHECK(in_place == r.dx);
    }
}

}  // namespace cross_entropy_short_rows_tests
