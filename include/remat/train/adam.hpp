// SPDX-License-Identifier: MIT
/// Adam (Kingma and Ba 2015), as PyTorch's `Adam` computes it:
///
///     g = gradient + weight_decay * w
///     m = beta1 * m + (1 - beta1) * g,   v = beta2 * v + (1 - beta2) * g * g
///     w = w - learning_rate / (1 - beta1^t) * m / (sqrt(v) / sqrt(1 - beta2^t) + epsilon)
#pragma once

#include <remat/train/optimizer.hpp>
#include <remat/train/update.hpp>

#include <array>
#include <cmath>
#include <cstddef>
#include <optional>
#include <string_view>

namespace remat {

/// Adam; or AdamW (adamw.hpp), whose decay is decoupled from the gradient.
template <bool IsDecoupled>
struct adam_rule {
  static constexpr std::string_view name = IsDecoupled ? "adamw" : "adam";
  static constexpr std::array<std::string_view, 2> row_names{"exp_avg", "exp_avg_sq"};

  struct options {
    float learning_rate = 1e-3f;
    float beta1 = 0.9f;
    float beta2 = 0.999f;
    float epsilon = 1e-8f;
    float weight_decay = IsDecoupled ? 1e-2f : 0.0f;
  };
  struct group_options {
    std::optional<float> learning_rate = {}, beta1 = {}, beta2 = {}, epsilon = {}, weight_decay = {};
  };
  using factors = detail::adam_factors;

  static options changed(const options& o, const group_options& g) {
    return {g.learning_rate.value_or(o.learning_rate), g.beta1.value_or(o.beta1), g.beta2.value_or(o.beta2),
            g.epsilon.value_or(o.epsilon), g.weight_decay.value_or(o.weight_decay)};
  }
  static const char* complaint(const options& o) {
    using detail::is_at_least_0;
    if (!(is_at_least_0(o.learning_rate) && is_at_least_0(o.epsilon) && is_at_least_0(o.weight_decay)))
      return "learning rate, epsilon and weight decay are finite numbers of at least 0, also with a schedule's factor";
    if (!(o.beta1 >= 0 && o.beta1 < 1 && o.beta2 >= 0 && o.beta2 < 1)) return "betas are at least 0 and below 1";
    return nullptr;
  }
  static std::size_t needs_rows(const options&) { return 2; }
  static factors factors_of(const options& o, std::size_t step) {
    const auto correction = [t = static_cast<double>(step)](float beta) {
      return 1 - std::pow(static_cast<double>(beta), t);
    };
    const double rate = o.learning_rate;
    return {o.beta1,
            o.beta2,
            o.epsilon,
            IsDecoupled ? 0 : o.weight_decay,
            IsDecoupled ? static_cast<float>(1 - rate * static_cast<double>(o.weight_decay)) : 1,
            static_cast<float>(rate / correction(o.beta1)),
            static_cast<float>(std::sqrt(correction(o.beta2)))};
  }
  static std::array<double, 7> numbers_of(const factors& f) {
    return {f.beta1, f.beta2, f.epsilon, f.weight_decay, f.shrink, f.step_size, f.root};
  }
  static void update(const factors& f, float* w, const float* gradient, const std::array<float*, 2>& state, bool,
                     std::size_t begin, std::size_t end) {
    detail::adam_update(f, w, gradient, state[0], state[1], begin, end);
  }
};

using adam = optimizer<adam_rule<false>>;
REMAT_COMPILED_TEMPLATE(class, optimizer<adam_rule<false>>)

}  // namespace remat
