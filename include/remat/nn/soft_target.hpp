// SPDX-License-Identifier: MIT
/// Weights of the classes, all 1 where there are none, and label smoothing: what the target of a row is.
///
///     loss      = on_target w[t] (-log p[t]) + on_each sum of w[c] (-log p[c])
///     gradient  = p[c] (on_target w[t] + on_each sum of w) - on_each w[c] - (on_target w[t] at the target)
#pragma once

#include <remat/nn/loss_options.hpp>

#include <cstddef>
#include <span>

namespace remat::nn::detail {

struct soft_target {
  const float* weights;  // or null
  double all = 0;        // the sum of the weights
  double on_target = 1, on_each = 0;

  soft_target(const loss_options& o, std::span<const float> w, std::size_t classes)
      : weights(w.empty() ? nullptr : w.data()),
        on_target(1 - static_cast<double>(o.smoothing)),
        on_each(static_cast<double>(o.smoothing) / static_cast<double>(classes)) {
    all = w.empty() ? static_cast<double>(classes) : 0;
    for (const float each : w) all += static_cast<double>(each);
  }
  float weight(std::size_t c) const { return weights == nullptr ? 1.0f : weights[c]; }
};

}  // namespace remat::nn::detail
