// SPDX-License-Identifier: MIT
/// An optimizer that clips gradients by their global norm first, and skips a step whose norm is not finite:
///
///     remat::adamw adamw{{.learning_rate = 3e-4f}};
///     remat::clipped optimizer{adamw, 1.0};
///     float loss = model.train_step(images, labels, optimizer);
///     if (optimizer.has_skipped()) ...                              // optimizer.norm() is what the gradients had
///
/// It is what `clip_gradients` between a step and the optimizer's does. The norm is that of all gradients together, so
/// that none is used up before all are there: the model keeps its block of gradients, and they are in `parameters()`
/// after the step, clipped.
#pragma once

#include <remat/run/parameter_updater.hpp>
#include <remat/train/clip_gradients.hpp>

#include <cmath>
#include <cstddef>
#include <string>

namespace remat {

class clipped : public parameter_updater {
 public:
  /// `optimizer` must outlive it. Throws `error` where a step would.
  clipped(parameter_updater& optimizer, double max_norm) : optimizer_(&optimizer), max_norm_(max_norm) {
    detail::require_norm(max_norm);
  }

  void step(trainable& model, double learning_rate_factor = 1) override {
    norm_ = clip_gradients(model, max_norm_);
    if (!has_skipped()) optimizer_->step(model, learning_rate_factor);
  }

  /// The norm of all gradients in the last step, before they were clipped.
  double norm() const { return norm_; }
  /// Whether it was not finite, so that the parameters were left as they are.
  bool has_skipped() const { return !std::isfinite(norm_); }

  /// Of the optimizer's numbers.
  std::size_t bytes() const override { return optimizer_->bytes(); }
  std::size_t bytes_for(const trainable& model) override { return optimizer_->bytes_for(model); }
  void add_tensors(tensor_list& all, const trainable& model, const std::string& prefix) override {
    optimizer_->add_tensors(all, model, prefix);
  }
  bool needs_all_gradients() const override { return true; }
  void begin(trainable& model, double learning_rate_factor) override { optimizer_->begin(model, learning_rate_factor); }
  void update(trainable&, std::size_t, const float*) override {}
  void finish(trainable&) override {}

 private:
  parameter_updater* optimizer_;
  double max_norm_, norm_ = 0;
};

}  // namespace remat
