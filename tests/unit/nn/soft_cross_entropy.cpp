// SPDX-License-Identifier: MIT
// Cross entropy with label smoothing and weights of classes, in columns, sixteen rows at a time and row by row.
#include "same_bits.hpp"

#include <remat/nn/cross_entropy_rows.hpp>

#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <random>
#include <span>
#include <vector>

namespace soft_cross_entropy_tests {

namespace detail = remat::nn::detail;

constexpr std::int32_t ignored = 255;
const float infinity = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();

double wide(float x) { return static_cast<double>(x); }

struct options {
  float smoothing;
  bool weighted;
};
constexpr options all_options[] = {{0.125f, false}, {0, true}, {0.125f, true}, {1, true}};

struct problem {
  std::size_t classes, rows;
  detail::loss_options of_loss;
  std::vector<float> weights, x;
  std::vector<std::int32_t> targets;

  problem(options o, std::size_t c, std::size_t r) : classes(c), rows(r), x(r * c), targets(r) {
    std::mt19937 random(1);
    std::normal_distribution<float> normal(0, 3);
    of_loss = {ignored, o.smoothing, o.weighted ? classes : 0};
    for (float& each : x) each = normal(random);
    if (o.weighted)
      for (std::size_t k = 0; k < classes; ++k) weights.push_back(static_cast<float>(k % 4) / 2);
    for (std::size_t row = 0; row < rows; ++row)
      targets[row] = row % 5 == 3 ? ignored : static_cast<std::int32_t>(random() % classes);
  }
  double weight(std::size_t c) const { return weights.empty() ? 1 : wide(weights[c]); }
};

struct result {
  std::vector<double> losses;
  std::vector<float> largest, shares, dx;
};

/// Of rows [begin, end) by themselves; dy is 1/4, and what gradients are added to is 1.
result run(const problem& p, std::size_t begin, std::size_t end, bool adds = false) {
  const std::size_t rows = end - begin;
  result r{std::vector<double>(rows), std::vector<float>(rows), std::vector<float>(rows),
           std::vector<float>(rows * p.classes, 1)};
  const float* const x = p.x.data() + begin * p.classes;
  const std::int32_t* const targets = p.targets.data() + begin;
  detail::loss_of_rows(p.of_loss, p.weights, x, targets, r.losses.data(), r.largest.data(), r.shares.data(), p.classes,
                       0, rows);
  detail::gradient_of_rows(p.of_loss, p.weights, x, targets, r.largest.data(), r.shares.data(), 0.25f, r.dx.data(),
                           adds, p.classes, 0, rows);
  return r;
}

/// One row in double precision.
void expect_row(const problem& p, const result& r, std::size_t row) {
  const float *const x = &p.x[row * p.classes], *const dx = &r.dx[row * p.classes];
  if (p.targets[row] == ignored) {
    CHECK((r.losses[row] == 0 && r.largest[row] == 0 && r.shares[row] == 1));
    CHECK(std::all_of(dx, dx + p.classes, [](float each) { return each == 0; }));
    return;
  }
  const double largest = wide(*std::max_element(x, x + p.classes)), smoothing = wide(p.of_loss.smoothing);
  double sum = 0, loss = 0, all = 0;
  for (std::size_t c = 0; c < p.classes; ++c) sum += std::exp(wide(x[c]) - largest);
  const auto part = [&](std::size_t c) {
    const bool is_target = c == static_cast<std::size_t>(p.targets[row]);
    return p.weight(c) * ((is_target ? 1 - smoothing : 0) + smoothing / static_cast<double>(p.classes));
  };
  for (std::size_t c = 0; c < p.classes; ++c) {
    all += part(c);
    loss += part(c) * (largest + std::log(sum) - wide(x[c]));
  }
  CHECK(r.losses[row] == Approx(loss).epsilon(1e-6).margin(1e-6));
  for (std::size_t c = 0; c < p.classes; ++c)
    CHECK(wide(dx[c]) == Approx((std::exp(wide(x[c]) - largest) / sum * all - part(c)) / 4).epsilon(1e-5).margin(2e-7));
}

TEST_CASE("cross entropy with soft targets agrees with double precision, and ignored rows count nothing") {
  for (const options o : all_options)
    for (const std::size_t classes : {1u, 2u, 3u, 4u, 5u, 6u, 7u, 8u, 9u, 16u, 21u, 33u, 64u, 65u, 100u})
      for (const std::size_t rows : {1u, 15u, 16u, 50u, 64u, 143u}) {
        INFO(rows << " rows of " << classes << " classes, smoothing " << o.smoothing
                  << (o.weighted ? ", weights" : ""));
        problem p(o, classes, rows);
        for (std::size_t row = 3; row < rows; row += 5) p.x[row * classes] = row % 2 == 0 ? infinity : nan;
        const result r = run(p, 0, rows), added = run(p, 0, rows, true);
        for (std::size_t row = 0; row < rows; ++row) expect_row(p, r, row);
        for (std::size_t k = 0; k < p.x.size(); ++k) CHECK(wide(added.dx[k]) == Approx(1 + wide(r.dx[k])).margin(2e-7));

        std::vector<float> in_place = p.x;
        detail::gradient_of_rows(p.of_loss, p.weights, in_place.data(), p.targets.data(), r.largest.data(),
                                 r.shares.data(), 0.25f, in_place.data(), false, classes, 0, rows);
        CHECK(in_place == r.dx);
        std::vector<double> losses(rows);
        detail::loss_of_rows(p.of_loss, p.weights, p.x.data(), p.targets.data(), losses.data(), nullptr, nullptr,
                             classes, 0, rows);
        CHECK(losses == r.losses);
        for (std::size_t row = 0; row < rows; ++row) {
          const result alone = run(p, row, row + 1);
          CHECK((alone.losses[0] == r.losses[row] && alone.largest[0] == r.largest[row] &&
                 alone.shares[0] == r.shares[row]));
          CHECK(same_bits(alone.dx, std::span(r.dx).subspan(row * classes, classes)));
        }
      }
}

TEST_CASE("with soft targets, a NaN or infinities make the loss and gradient of their row NaN and of no other") {
  for (const options o : all_options)
    for (const std::size_t classes : {2u, 3u, 4u, 5u, 6u, 7u, 8u, 9u, 65u}) {
      INFO(classes << " classes, smoothing " << o.smoothing << (o.weighted ? ", weights" : ""));
      problem p(o, classes, 70);
      for (const std::size_t row : {0u, 66u, 68u}) p.x[row * classes] = nan;
      for (std::size_t c = 0; c < classes; ++c) p.x[2 * classes + c] = -infinity;
      p.x[5 * classes] = infinity;
      p.x[64 * classes] = -infinity;  // and no target
      p.targets[64] = 1;
      const result r = run(p, 0, p.rows);
      for (std::size_t row = 0; row < p.rows; ++row) {
        const bool is_none = row == 0 || row == 2 || row == 5 || row == 66;
        INFO("row " << row);
        for (std::size_t c = 0; c < classes; ++c) CHECK(std::isnan(r.dx[row * classes + c]) == is_none);
        if (row != 64) CHECK(std::isnan(r.losses[row]) == is_none);
      }
      // The first class has no part in the loss without smoothing, and one of infinity with it: 0 times that is NaN.
      if (o.smoothing == 0)
        CHECK(std::isfinite(r.losses[64]));
      else
        CHECK((o.weighted ? std::isnan(r.losses[64]) : r.losses[64] == std::numeric_limits<double>::infinity()));
    }
}

TEST_CASE("without a denominator, gradients are NaN but of ignored rows, which have 0") {
  for (const options o : all_options)
    for (const std::size_t classes : {3u, 12u, 65u}) {
      problem p(o, classes, 70);
      const result r = run(p, 0, p.rows);
      std::vector<float> dx(p.x.size());
      detail::gradient_of_rows(p.of_loss, p.weights, p.x.data(), p.targets.data(), r.largest.data(), r.shares.data(),
                               nan, dx.data(), false, classes, 0, p.rows);
      for (std::size_t k = 0; k < dx.size(); ++k)
        CHECK((p.targets[k / classes] == ignored ? dx[k] == 0 : std::isnan(dx[k])));
    }
}

TEST_CASE("an ignored row's loss is 0 whatever the weights of classes are") {
  for (const std::size_t classes : {3u, 12u, 65u}) {
    problem p({0.125f, true}, classes, 70);
    p.weights[0] = infinity;
    const result r = run(p, 0, p.rows);
    for (std::size_t row = 3; row < p.rows; row += 5) CHECK(r.losses[row] == 0);
  }
}

}  // namespace soft_cross_entropy_tests
