// SPDX-License-Identifier: MIT
/// A metric: the share of targets whose class has the highest output.
///
/// A metric is a type with `add(outputs, targets, shape of one sample's output)`, called for each batch, and `value()`,
/// which `evaluate` returns. metrics.hpp evaluates several at once.
#pragma once

#include <remat/core/error.hpp>
#include <remat/core/tensor.hpp>

#include <cstddef>
#include <ranges>
#include <span>
#include <string>
#include <utility>

namespace remat {

namespace detail {

/// Images have a score for each channel, other tensors for each element of their last extent.
constexpr std::size_t classes_of(const tensor_shape& shape) {
  return shape.rank == 0 ? 1 : shape.is_image() ? shape.channels() : shape.extents[shape.rank - 1];
}

/// Calls f(scores, stride, classes, target) for every target: the score of class c is scores[c * stride]. Outputs are
/// (N, C), (N, T, C) or (N, C, H, W), targets (N), (N, T) or (N, H, W); a negative target does not count, as in
/// nll_loss. Throws `error` where their numbers disagree.
template <std::ranges::contiguous_range Targets, class F>
void for_each_scored(const std::string& who, std::span<const float> outputs, const Targets& targets,
                     const tensor_shape& shape, const F& f) {
  const std::size_t classes = classes_of(shape), places = shape.is_image() ? shape.elements() / classes : 1;
  if (outputs.size() != std::ranges::size(targets) * classes)
    throw error(who + ": " + std::to_string(std::ranges::size(targets)) + " targets for " +
                std::to_string(outputs.size() / classes) + " outputs of " + std::to_string(classes) +
                " classes; one for each is needed");
  for (std::size_t i = 0; i < std::ranges::size(targets); ++i) {
    const auto target = std::ranges::data(targets)[i];
    if (std::cmp_less(target, 0)) continue;
    f(outputs.data() + i / places * classes * places + i % places, places, classes, target);
  }
}

/// No class is the highest then.
inline bool any_is_nan(const float* scores, std::size_t stride, std::size_t classes) {
  for (std::size_t c = 0; c < classes; ++c)
    if (scores[c * stride] != scores[c * stride]) return true;
  return false;
}

}  // namespace detail

class accuracy {
 public:
  /// Outputs are (N, C), (N, T, C) or (N, C, H, W), targets (N), (N, T) or (N, H, W); a negative target does not count,
  /// as in nll_loss. Of equal outputs the class of the lower number is the higher one; where one of the C is NaN, the
  /// target counts as missed. Throws `error` where their numbers disagree.
  template <std::ranges::contiguous_range Targets>
  void add(std::span<const float> outputs, const Targets& targets, const tensor_shape& shape) {
    detail::for_each_scored("accuracy", outputs, targets, shape,
                            [&](const float* scores, std::size_t stride, std::size_t classes, auto target) {
                              ++seen_;
                              if (detail::any_is_nan(scores, stride, classes)) return;
                              std::size_t best = 0;
                              for (std::size_t c = 1; c < classes; ++c)
                                if (scores[c * stride] > scores[best * stride]) best = c;
                              right_ += std::cmp_equal(target, best) ? 1 : 0;
                            });
  }
  double value() const { return seen_ == 0 ? 0 : static_cast<double>(right_) / static_cast<double>(seen_); }

 private:
  std::size_t right_ = 0, seen_ = 0;
};

}  // namespace remat
