// SPDX-License-Identifier: MIT
/// Stochastic gradient descent with momentum, as PyTorch's `SGD` computes it:
///
///     g = gradient + weight_decay * w
///     m = momentum * m + (1 - dampening) * g      (the first time m = g)
///     w = w - learning_rate * (nesterov ? g + momentum * m : m)
#pragma once

#include <remat/core/error.hpp>
#include <remat/run/optimizer_state.hpp>
#include <remat/run/update.hpp>

namespace remat {

class sgd {
 public:
  struct options {
    float learning_rate = 1e-3f;
    float momentum = 0;
    float dampening = 0;
    float weight_decay = 0;
    bool nesterov = false;
  };

  sgd() : sgd(options{}) {}
  explicit sgd(const options& o) : options_(o) {
    if (!(o.learning_rate >= 0 && o.momentum >= 0 && o.weight_decay >= 0))
      throw error("sgd: learning rate, momentum and weight decay are numbers of at least 0");
    if (o.nesterov && (o.momentum <= 0 || o.dampening != 0))
      throw error("sgd: nesterov needs a momentum and no dampening");
  }

  /// Updates every parameter from its gradient. State is allocated at the first step.
  void step(network& model) {
    const bool has_momentum = options_.momentum != 0;
    const bool is_first = state_.attach(model, has_momentum ? 1 : 0);
    const detail::sgd_factors f{options_.learning_rate, options_.momentum, options_.dampening,
                                options_.weight_decay,  options_.nesterov, is_first};
    update_parameters(model, [&](std::size_t i, const parameter_view& p, std::size_t begin, std::size_t end) {
      float* const m = has_momentum ? state_.of(0, i) : nullptr;
      detail::sgd_update(f, p.values.data(), p.gradient.data(), m, begin, end);
    });
  }

  options& settings() { return options_; }

 private:
  options options_;
  optimizer_state state_;
};

}  // namespace remat
