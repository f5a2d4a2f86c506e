// SPDX-License-Identifier: MIT
/// A metric: the mean of (output - target)^2 over all elements, in double precision.
#pragma once

#include <remat/core/error.hpp>
#include <remat/core/tensor.hpp>
#include <remat/train/metric_targets.hpp>

#include <cstddef>
#include <span>
#include <string>

namespace remat {

class mean_squared_error {
 public:
  /// A target for each output, images as (N, C, H, W); numbers of any type. Throws `error` where their numbers
  /// disagree.
  template <class Targets>
  void add(std::span<const float> outputs, const Targets& targets, const tensor_shape&) {
    const auto values = detail::numbers_of(targets);
    if (outputs.size() != values.size())
      throw error("mean_squared_error: " + std::to_string(values.size()) + " targets for " +
                  std::to_string(outputs.size()) + " outputs; one for each is needed");
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      const double off = static_cast<double>(outputs[i]) - static_cast<double>(values[i]);
      sum_ += off * off;
    }
    seen_ += outputs.size();
  }
  /// Takes in what another one has summed.
  void merge(const mean_squared_error& other) {
    sum_ += other.sum_;
    seen_ += other.seen_;
  }
  /// NaN where no element was counted.
  double value() const { return detail::mean_of_seen(sum_, seen_); }

 private:
  double sum_ = 0;
  std::size_t seen_ = 0;
};

}  // namespace remat
