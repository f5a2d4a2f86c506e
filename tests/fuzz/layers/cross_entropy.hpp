// SPDX-License-Identifier: MIT
/// Cross entropies of random sizes.
#pragma once

#include <remat/remat.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <type_traits>
#include <vector>

#include "../layer_case.hpp"
#include "functions.hpp"

namespace fuzz {

namespace detail {

/// The cross entropy of logits that are known up to an error, and its gradient.
struct entropy_of_logits {
  std::size_t rows, classes;

  expectation loss(const expectation& logits, const std::vector<std::int32_t>& targets) const {
    expected mean;
    const double count = counted(targets);
    for (std::size_t r = 0; r < rows; ++r) {
      if (targets[r] < 0) continue;
      const row_sum row(&logits[r * classes], classes);
      const expected& at = logits[r * classes + static_cast<std::size_t>(targets[r])];
      const double value = row.largest + std::log(row.sum) - at.value;
      mean.value += value / count;
      mean.more += (2 * row.error + unit_roundoff * (static_cast<double>(classes) + 16 + std::abs(row.largest) +
                                                     std::abs(at.value) + std::abs(value))) /
                   count;
    }
    mean.more += 2 * unit_roundoff * std::abs(mean.value);
    return {mean};
  }
  /// The gradient of the logits, each with its error in `more`.
  expectation gradient(const expectation& logits, const std::vector<std::int32_t>& targets, float dy) const {
    const double share = static_cast<double>(dy) / counted(targets);
    expectation made(logits.size());
    for (std::size_t r = 0; r < rows; ++r) {
      if (targets[r] < 0) continue;
      const row_sum row(&logits[r * classes], classes);
      for (std::size_t c = 0; c < classes; ++c) {
        const double x = logits[r * classes + c].value, p = std::exp(x - row.largest) / row.sum;
        const double wanted = c == static_cast<std::size_t>(targets[r]) ? 1 : 0;
        const double units = static_cast<double>(classes) + 16 + 2 * (row.largest - x);
        const double error = p * (4 * row.error + units * unit_roundoff) + 4 * unit_roundoff * (p + wanted) + smallest;
        made[r * classes + c] = {share * (p - wanted), 0, 0, std::abs(share) * error};
      }
    }
    return made;
  }

 private:
  static double counted(const std::vector<std::int32_t>& targets) {
    return static_cast<double>(std::ranges::count_if(targets, [](std::int32_t t) { return t >= 0; }));
  }

  struct row_sum {
    double largest = -INFINITY, sum = 0, error = 0;  ///< the last of any logit

    row_sum(const expected* x, std::size_t classes) {
      for (std::size_t c = 0; c < classes; ++c) {
        largest = std::max(largest, x[c].value);
        error = std::max(error, x[c].bound());
      }
      for (std::size_t c = 0; c < classes; ++c) sum += std::exp(x[c].value - largest);
    }
  };
};

inline constexpr remat::tensor_shape one_number{remat::element::float32, false, 0, {}};

/// The shapes of targets and of what two numbers a row are.
inline void set_targets(layer_case& made, std::size_t length, std::size_t classes) {
  made.inputs.push_back(length == 1 ? integers() : integers(length));
  made.output = one_number;
  made.saved = {length == 1 ? floats() : floats(length)};
  made.saved.push_back(made.saved[0]);
  made.integers_below = classes;
  made.ignores_some = true;
}

}  // namespace detail

inline layer_case cross_entropy(random_source& random) {
  const std::size_t classes = random.one_in(4) ? random.between(1, 900) : random.channels();
  const std::size_t length = random.one_in(2) ? 1 : random.between(2, 9);
  layer_case made;
  made.layer = "cross_entropy";
  made.sizes = listed({{"classes", classes}, {"length", length}});
  made.batch = random.between(1, 70);
  made.input_scale = static_cast<float>(random.one_of({1, 10}));
  made.inputs = {length == 1 ? floats(classes) : floats(length, classes)};
  detail::set_targets(made, length, classes);
  using sample = remat::nn::cross_entropy;
  made.attributes = std::make_shared<std::remove_cvref_t<decltype(sample::attributes)>>(sample::attributes);
  made.kernels = &remat::kernel_table_of<remat::detail::kernels_of<sample>>;
  const detail::entropy_of_logits entropy{made.batch * length, classes};
  const auto logits = [](const values& v) {
    expectation x(v.inputs[0].size());
    for (std::size_t i = 0; i < x.size(); ++i) x[i].value = static_cast<double>(v.inputs[0][i]);
    return x;
  };
  made.forward = [=](const values& v) { return entropy.loss(logits(v), v.integers[1]); };
  made.input_gradient = [=](const values& v) {
    return entropy.gradient(logits(v), v.integers[1], v.output_gradient[0]);
  };
  return made;
}

}  // namespace fuzz
