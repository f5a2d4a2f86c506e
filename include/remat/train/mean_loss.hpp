// SPDX-License-Identifier: MIT
/// A metric: the model's own loss, as a mean over what counts in all batches.
///
///     const auto [loss, right] = model.evaluate(batches, remat::metrics{remat::mean_loss{}, remat::accuracy{}});
///
/// Outputs are those of `predict` (batch norms use their running statistics, nothing is dropped), and the loss's
/// forward kernel runs on them and the targets. It is for a loss that is one module with one target. In a distributed
/// model its parameters and states (weights of classes) come from the rank of the last stage.
#pragma once

#include <remat/core/error.hpp>
#include <remat/core/tensor.hpp>
#include <remat/model/program.hpp>
#include <remat/run/begin_metric.hpp>
#include <remat/run/source.hpp>
#include <remat/train/loss_of_outputs.hpp>

#include <limits>
#include <memory>
#include <span>

namespace remat {

class mean_loss {
 public:
  /// What is counted of it: plain numbers, which ranks send to each other.
  struct totals {
    double sum = 0, counted = 0;
    /// Takes in what another one has summed.
    void merge(const totals& other) {
      sum += other.sum;
      counted += other.counted;
    }
  };

  /// `evaluate` calls it before the first batch.
  void begin(const program& p, const detail::loss_tensors& tensors) {
    loss_ = std::make_shared<detail::loss_of_outputs>(p, tensors);
    totals_ = {};
  }
  /// Throws `error` where targets do not fit the loss.
  template <class Targets>
  void add(std::span<const float> outputs, const Targets& targets, const tensor_shape&) {
    if (!loss_) throw error("mean_loss is the loss of a model; let the model's evaluate call it");
    const auto [sum, counted] = loss_->run(outputs, source_of(targets));
    totals_.sum += sum;
    totals_.counted += counted;
  }
  /// Takes in what another one has summed.
  void merge(const mean_loss& other) { totals_.merge(other.totals_); }
  /// For ranks that send it to each other.
  totals& so_far() { return totals_; }
  /// NaN where nothing was counted.
  double value() const {
    return totals_.counted > 0 ? totals_.sum / totals_.counted : std::numeric_limits<double>::quiet_NaN();
  }

 private:
  std::shared_ptr<detail::loss_of_outputs> loss_;
  totals totals_;
};

}  // namespace remat
