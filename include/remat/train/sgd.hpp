// SPDX-License-Identifier: MIT
/// Stochastic gradient descent with momentum, as PyTorch's `SGD` computes it:
///
///     g = gradient + weight_decay * w
///     m = momentum * m + (1 - dampening) * g      (the first time m = g)
///     w = w - learning_rate * (nesterov ? g + momentum * m : m)
///
///     remat::sgd optimizer{{.learning_rate = 0.1f, .momentum = 0.9f, .weight_decay = 5e-4f}};
///     optimizer.group(remat::is_bias_or_norm, {.weight_decay = 0});
#pragma once

#include <remat/train/optimizer.hpp>
#include <remat/train/update.hpp>

#include <array>
#include <cstddef>
#include <optional>
#include <string_view>

namespace remat {

struct sgd_rule {
  static constexpr std::string_view name = "sgd";
  static constexpr std::array<std::string_view, 1> row_names{"momentum_buffer"};

  struct options {
    float learning_rate = 1e-3f;
    float momentum = 0;
    float dampening = 0;
    float weight_decay = 0;
    bool nesterov = false;
  };
  struct group_options {
    std::optional<float> learning_rate = {}, momentum = {}, dampening = {}, weight_decay = {};
    std::optional<bool> nesterov = {};
  };
  using factors = detail::sgd_factors;

  static options changed(const options& o, const group_options& g) {
    return {g.learning_rate.value_or(o.learning_rate), g.momentum.value_or(o.momentum),
            g.dampening.value_or(o.dampening), g.weight_decay.value_or(o.weight_decay),
            g.nesterov.value_or(o.nesterov)};
  }
  static const char* complaint(const options& o) {
    using detail::is_at_least_0;
    if (!(is_at_least_0(o.learning_rate) && is_at_least_0(o.momentum) && is_at_least_0(o.weight_decay)))
      return "learning rate, momentum and weight decay are finite numbers of at least 0, also with a schedule's factor";
    if (!(is_at_least_0(o.dampening) || is_at_least_0(-o.dampening))) return "dampening is a finite number";
    if (o.nesterov && (o.momentum <= 0 || o.dampening != 0)) return "nesterov needs a momentum and no dampening";
    return nullptr;
  }
  static std::size_t needs_rows(const options& o) { return o.momentum != 0 ? 1 : 0; }
  static constexpr bool may_begin_late = true;  // a momentum begins with the first gradient that it is given
  static factors factors_of(const options& o, std::size_t) {
    return {o.learning_rate, o.momentum, o.dampening, o.weight_decay, o.nesterov};
  }
  static std::array<double, 5> numbers_of(const factors& f) {
    return {f.learning_rate, f.momentum, f.dampening, f.weight_decay, f.nesterov ? 1.0 : 0.0};
  }
  static void update(const factors& f, float* w, const float* gradient, const std::array<float*, 1>& state,
                     bool is_first, std::size_t begin, std::size_t end) {
    detail::sgd_update(f, w, gradient, state[0], is_first, begin, end);
  }
};

using sgd = optimizer<sgd_rule>;
REMAT_COMPILED_TEMPLATE(class, optimizer<sgd_rule>)

}  // namespace remat
