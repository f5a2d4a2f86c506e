// SPDX-License-Identifier: MIT
/// A loss over the parts of a batch, which are the micro-batches of all replicas: its denominator is what counts in the
/// whole batch.
///
///     loss = sum of mean_k count_k / total     over the parts that count something
///     part k's backward pass begins with count_k / total
///
/// Counts and means are summed in the order of the parts, in double. Where nothing counts in the whole batch, the loss
/// is NaN and the gradients are 0, as in PyTorch.
#pragma once

#include <remat/core/language.hpp>

#include <cstddef>
#include <limits>
#include <span>
#include <vector>

namespace remat {

class loss_shares {
 public:
  /// Before a step; then every part has its count.
  void begin(std::size_t parts) { counts_.assign(parts, 0); }
  /// What counts in each part.
  std::span<double> counts() { return counts_; }

  /// Of part k in the batch, from 0 to 1.
  float share(std::size_t k) const {
    if (counts_.size() == 1) return 1;
    const double all = total();
    return all > 0 ? static_cast<float>(counts_[k] / all) : 0.0f;
  }
  /// Of the whole batch, from the means of its parts.
  float mean(std::span<const float> means) const {
    if (counts_.size() == 1) return means[0];
    double sum = 0;
    for (std::size_t k = 0; k < counts_.size(); ++k)
      if (counts_[k] > 0) sum += static_cast<double>(means[k]) * counts_[k];
    const double all = total();
    return all > 0 ? static_cast<float>(sum / all) : std::numeric_limits<float>::quiet_NaN();
  }

 private:
  double total() const {
    double sum = 0;
    for (const double each : counts_) sum += each;
    return sum;
  }

  std::vector<double> counts_;
};

}  // namespace remat
