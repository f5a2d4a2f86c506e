// SPDX-License-Identifier: MIT
/// A metric: the share of targets whose class is among the K highest outputs; `top_k<1>` is `accuracy`.
#pragma once

#include <remat/core/error.hpp>
#include <remat/core/tensor.hpp>
#include <remat/run/accuracy.hpp>

#include <cstddef>
#include <ranges>
#include <span>
#include <string>
#include <utility>

namespace remat {

template <std::size_t K>
class top_k {
  static_assert(K >= 1, "remat: top_k counts at least the highest output: top_k<1> or more");

 public:
  /// Of equal outputs the class of the lower number is the higher one; where one of the C is NaN, the target counts as
  /// missed. Targets as `accuracy` takes them. Throws `error` where numbers disagree, and where there are fewer than K
  /// classes.
  template <std::ranges::contiguous_range Targets>
  void add(std::span<const float> outputs, const Targets& targets, const tensor_shape& shape) {
    const std::string who = "top_k<" + std::to_string(K) + ">";
    if (const std::size_t classes = detail::classes_of(shape); classes < K)
      throw error(who + " needs at least " + std::to_string(K) + " classes, and the outputs have " +
                  std::to_string(classes));
    detail::for_each_scored(who, outputs, targets, shape,
                            [&](const float* scores, std::size_t stride, std::size_t classes, auto target) {
                              ++seen_;
                              if (!std::cmp_less(target, classes) || detail::any_is_nan(scores, stride, classes))
                                return;
                              const std::size_t wanted = static_cast<std::size_t>(target);
                              const float score = scores[wanted * stride];
                              std::size_t higher = 0;
                              for (std::size_t c = 0; c < classes; ++c) {
                                const float other = scores[c * stride];
                                higher += other > score || (other == score && c < wanted) ? 1u : 0u;
                              }
                              right_ += higher < K ? 1u : 0u;
                            });
  }
  double value() const { return seen_ == 0 ? 0 : static_cast<double>(right_) / static_cast<double>(seen_); }

 private:
  std::size_t right_ = 0, seen_ = 0;
};

}  // namespace remat
