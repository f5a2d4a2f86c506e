// SPDX-License-Identifier: MIT
/// A loss over the parts of a batch, which are the micro-batches of all replicas: its denominator is what counts in the
/// whole batch.
///
///     a loss that                    part k gives          the loss is                     its backward pass begins with
///     divides_by_counted_in_batch    sum_k / total         sum of them                     1
///     divides by what part k counts  mean_k                sum of mean_k count_k / total   count_k / total
///
/// The first is of remat's losses of classes; a part that counts 0 may add to its sum, by label smoothing. The second
/// is of all others; a part that counts 0 is left out, and so is its mean, which is NaN. What parts count and give is
/// summed in their order, in double. Where the total is 0, the loss is NaN: gradients are the loss's own in the first
/// row, and 0 in the second. A batch in one part is not counted: the loss divides by what it counts.
#pragma once

#include <remat/core/language.hpp>

#include <cstddef>
#include <limits>
#include <optional>
#include <span>
#include <vector>

namespace remat {

class loss_shares {
 public:
  /// Before a step; then every part has its count. `divides`: the loss does, by what counts in the whole batch.
  void begin(std::size_t parts, bool divides) {
    counts_.assign(parts, 0);
    divides_ = divides && parts > 1;
  }
  /// What counts in each part.
  std::span<double> counts() { return counts_; }

  /// Of part k in the loss of the batch, from 0 to 1.
  float share(std::size_t k) const {
    if (counts_.size() == 1 || divides_) return 1;
    const double all = total();
    return all > 0 ? static_cast<float>(counts_[k] / all) : 0.0f;
  }
  /// What the loss divides by in each part, where it is told.
  std::optional<double> counted_in_batch() const { return divides_ ? std::optional(total()) : std::nullopt; }

  /// The loss of the whole batch, of what its parts gave.
  float loss(std::span<const float> given) const {
    if (counts_.size() == 1) return given[0];
    double sum = 0;
    for (std::size_t k = 0; k < counts_.size(); ++k) {
      if (divides_)
        sum += static_cast<double>(given[k]);
      else if (counts_[k] > 0)
        sum += static_cast<double>(given[k]) * counts_[k];
    }
    if (divides_) return static_cast<float>(sum);
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
  bool divides_ = false;
};

}  // namespace remat
