// SPDX-License-Identifier: MIT
/// An updater at work within a step of a model: it is given each gradient when it is final.
#pragma once

#include <remat/run/gradient_receiver.hpp>
#include <remat/run/internals.hpp>
#include <remat/run/parameter_updater.hpp>
#include <remat/run/trainable.hpp>

#include <span>

namespace remat {

class updates_of_step : public gradient_receiver {
 public:
  updates_of_step(trainable& model, parameter_updater& updater) : model_(&model), updater_(&updater) {}

  void final_gradient(int owner, std::span<const float> gradient) override {
    updater_->update(*model_, internals::store(*model_).view_of(owner), gradient.data());
  }

 private:
  trainable* model_;
  parameter_updater* updater_;
};

}  // namespace remat
