// SPDX-License-Identifier: MIT
/// A metric: the share of targets whose class is among the K highest outputs; `top_k<1>` is `accuracy` of classes.
#pragma once

#include <remat/core/error.hpp>
#include <remat/core/tensor.hpp>
#include <remat/train/metric_targets.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

namespace remat {

/// What `top_k` is made with.
struct top_k_options {
  std::optional<std::int64_t> ignore_index = {};  ///< a class that does not count, in addition to negative ones
};

template <std::size_t K>
class top_k {
  static_assert(K >= 1, "remat: top_k counts at least the highest output: top_k<1> or more");

 public:
  top_k() = default;
  explicit top_k(const top_k_options& options) : options_(options) {}

  /// Of equal outputs the class of the lower number is the higher one; where one of the C is NaN, the target counts as
  /// missed. Classes are targets as `accuracy` takes them. Throws `error` where numbers disagree, for a target that is
  /// no class, and where there are fewer than K classes.
  template <class Targets>
  void add(std::span<const float> outputs, const Targets& targets, const tensor_shape& shape) {
    const std::string who = "top_k<" + std::to_string(K) + ">";
    if (const std::size_t classes = detail::classes_of(shape); classes < K)
      throw error(who + " needs at least " + std::to_string(K) + " classes, and the outputs have " +
                  std::to_string(classes));
    detail::for_each_scored(who, outputs, targets, shape, options_.ignore_index,
                            [&](const float* scores, std::size_t stride, std::size_t classes, std::size_t wanted) {
                              ++seen_;
                              if (detail::any_is_nan(scores, stride, classes)) return;
                              const float score = scores[wanted * stride];
                              std::size_t higher = 0;
                              for (std::size_t c = 0; c < classes; ++c) {
                                const float other = scores[c * stride];
                                higher += other > score || (other == score && c < wanted) ? 1u : 0u;
                              }
                              right_ += higher < K ? 1u : 0u;
                            });
  }
  /// Takes in what another one has counted.
  void merge(const top_k& other) {
    right_ += other.right_;
    seen_ += other.seen_;
  }
  /// NaN where no target was counted.
  double value() const { return detail::mean_of_seen(static_cast<double>(right_), seen_); }

 private:
  top_k_options options_;
  std::size_t right_ = 0, seen_ = 0;
};

}  // namespace remat
