// SPDX-License-Identifier: MIT
/// A metric: the share of targets that the outputs meet.
///
///     targets                 outputs                        an output meets its target where
///     (N), (N, T), (N, H, W)  (N, C), (N, T, C),             the target's class has the highest of the C outputs
///                             (N, C, H, W), C > 1
///     as many as outputs      any shape; C = 1 among them    (output > threshold) == target, each element by itself
///
/// So a classifier of one logit, and one of several labels at once (bce_with_logits), are counted by element. The
/// threshold is 0, which is where a logit's probability is one half; give outputs that are probabilities
/// `accuracy{{.threshold = 0.5f}}`.
///
/// A metric is a type with `add(outputs, targets, shape of one sample's output)`, called for each batch, and `value()`,
/// which `evaluate` returns. One that has `merge(other)`, too, is put together from those of replicas that were each
/// given batches of their own (distributed_evaluation.hpp). metrics.hpp evaluates several at once.
#pragma once

#include <remat/core/tensor.hpp>
#include <remat/train/metric_targets.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace remat {

/// What `accuracy` is made with.
struct accuracy_options {
  float threshold = 0;                            ///< of outputs that are counted by element
  std::optional<std::int64_t> ignore_index = {};  ///< a class that does not count, in addition to negative ones
};

class accuracy {
 public:
  accuracy() = default;
  explicit accuracy(const accuracy_options& options) : options_(options) {}

  /// Targets are integers, bool or floating-point numbers: classes from 0, or by element 0 and 1. Those that are
  /// negative do not count, as in nll_loss; by element only integers can be negative. Of equal outputs the class of the
  /// lower number is the higher one; where one of the C is NaN, the target counts as missed. Throws `error` where
  /// numbers disagree, and for a target that is no class.
  template <class Targets>
  void add(std::span<const float> outputs, const Targets& targets, const tensor_shape& shape) {
    if (detail::is_by_element(outputs, targets)) {
      detail::for_each_binary("accuracy", outputs, targets, options_.ignore_index, [&](float output, bool target) {
        ++seen_;
        right_ += output == output && (output > options_.threshold) == target ? 1 : 0;
      });
      return;
    }
    detail::for_each_scored("accuracy", outputs, targets, shape, options_.ignore_index,
                            [&](const float* scores, std::size_t stride, std::size_t classes, std::size_t target) {
                              ++seen_;
                              if (detail::any_is_nan(scores, stride, classes)) return;
                              std::size_t best = 0;
                              for (std::size_t c = 1; c < classes; ++c)
                                if (scores[c * stride] > scores[best * stride]) best = c;
                              right_ += target == best ? 1 : 0;
                            });
  }
  /// Takes in what another one has counted.
  void merge(const accuracy& other) {
    right_ += other.right_;
    seen_ += other.seen_;
  }
  /// NaN where no target was counted.
  double value() const { return detail::mean_of_seen(static_cast<double>(right_), seen_); }

 private:
  accuracy_options options_;
  std::size_t right_ = 0, seen_ = 0;
};

}  // namespace remat
