// SPDX-License-Identifier: MIT
/// Adam (Kingma and Ba 2015), as PyTorch's `Adam` computes it:
///
///     g = gradient + weight_decay * w
///     m = beta1 * m + (1 - beta1) * g,   v = beta2 * v + (1 - beta2) * g * g
///     w = w - learning_rate / (1 - beta1^t) * m / (sqrt(v) / sqrt(1 - beta2^t) + epsilon)
#pragma once

#include <remat/core/error.hpp>
#include <remat/run/optimizer_state.hpp>
#include <remat/run/update.hpp>

#include <cmath>
#include <cstddef>

namespace remat {

class adam {
 public:
  struct options {
    float learning_rate = 1e-3f;
    float beta1 = 0.9f;
    float beta2 = 0.999f;
    float epsilon = 1e-8f;
    float weight_decay = 0;
  };

  adam() : adam(options{}) {}
  explicit adam(const options& o) : options_(o) {
    if (!(o.learning_rate >= 0 && o.epsilon >= 0 && o.weight_decay >= 0))
      throw error("adam: learning rate, epsilon and weight decay are numbers of at least 0");
    if (!(o.beta1 >= 0 && o.beta1 < 1 && o.beta2 >= 0 && o.beta2 < 1))
      throw error("adam: betas are at least 0 and below 1");
  }

  /// Updates every parameter from its gradient. State is allocated at the first step.
  void step(network& model) {
    state_.attach(model, 2);
    ++steps_;
    const auto correction = [t = static_cast<double>(steps_)](float beta) {
      return 1 - std::pow(static_cast<double>(beta), t);
    };
    const detail::adam_factors f{
        options_.beta1,
        options_.beta2,
        options_.epsilon,
        options_.weight_decay,
        static_cast<float>(static_cast<double>(options_.learning_rate) / correction(options_.beta1)),
        static_cast<float>(std::sqrt(correction(options_.beta2)))};
    update_parameters(model, [&](std::size_t i, const parameter_view& p, std::size_t begin, std::size_t end) {
      detail::adam_update(f, p.values.data(), p.gradient.data(), state_.of(0, i), state_.of(1, i), begin, end);
    });
  }

  options& settings() { return options_; }

 private:
  options options_;
  optimizer_state state_;
  std::size_t steps_ = 0;
};

}  // namespace remat
