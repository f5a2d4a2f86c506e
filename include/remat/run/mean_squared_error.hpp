// SPDX-License-Identifier: MIT
/// A metric: the mean of (output - target)^2 over all elements, in double precision.
#pragma once

#include <remat/core/error.hpp>
#include <remat/core/tensor.hpp>

#include <cstddef>
#include <ranges>
#include <span>
#include <string>

namespace remat {

class mean_squared_error {
 public:
  /// A target for each output, images as (N, C, H, W). Throws `error` where their numbers disagree.
  template <std::ranges::contiguous_range Targets>
  void add(std::span<const float> outputs, const Targets& targets, const tensor_shape&) {
    if (outputs.size() != std::ranges::size(targets))
      throw error("mean_squared_error: " + std::to_string(std::ranges::size(targets)) + " targets for " +
                  std::to_string(outputs.size()) + " outputs; one for each is needed");
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      const double off = static_cast<double>(outputs[i]) - static_cast<double>(std::ranges::data(targets)[i]);
      sum_ += off * off;
    }
    seen_ += outputs.size();
  }
  double value() const { return seen_ == 0 ? 0 : sum_ / static_cast<double>(seen_); }

 private:
  double sum_ = 0;
  std::size_t seen_ = 0;
};

}  // namespace remat
