// SPDX-License-Identifier: MIT
/// The arithmetic of optimizers.
///
/// Products and sums are rounded one by one, whatever flags the user compiles with, so that one machine gives one
/// result: contraction into fused multiply-adds is off here. A root that might set errno would keep its loop from being
/// vectorised: Adam took three times as long.
#pragma once

#include <remat/core/language.hpp>

#include <cmath>
#include <cstddef>

namespace remat {

namespace detail {

#if !defined(__clang__)
#pragma GCC push_options
#pragma GCC optimize("O3", "fp-contract=off", "no-math-errno")
#endif

struct sgd_factors {
  float learning_rate, momentum, dampening, weight_decay;
  bool nesterov;
};

/// `m` is null without momentum.
inline void sgd_update(const sgd_factors& f, float* w, const float* gradient, float* m, bool is_first,
                       std::size_t begin, std::size_t end) {
#if defined(__clang__)
#pragma clang fp contract(off)
#endif
  if (m == nullptr && f.weight_decay == 0) {
    for (std::size_t i = begin; i < end; ++i) w[i] -= f.learning_rate * gradient[i];
    return;
  }
  const float fresh = is_first ? 1 : 1 - f.dampening;
  for (std::size_t i = begin; i < end; ++i) {
    const float g = gradient[i] + f.weight_decay * w[i];
    float direction = g;
    if (m != nullptr) {
      m[i] = f.momentum * m[i] + fresh * g;
      direction = f.nesterov ? g + f.momentum * m[i] : m[i];
    }
    w[i] -= f.learning_rate * direction;
  }
}

struct adam_factors {
  float beta1, beta2, epsilon;
  float weight_decay;  ///< added to the gradient
  float shrink;        ///< what a weight is multiplied with; 1 where decay is not decoupled
  float step_size;     ///< learning_rate / (1 - beta1^t)
  float root;          ///< sqrt(1 - beta2^t)
};

inline void adam_update(const adam_factors& f, float* w, const float* gradient, float* m, float* v, std::size_t begin,
                        std::size_t end) {
#if defined(__clang__)
#pragma clang fp contract(off)
#endif
  for (std::size_t i = begin; i < end; ++i) {
    const float g = gradient[i] + f.weight_decay * w[i];
    m[i] = f.beta1 * m[i] + (1 - f.beta1) * g;
    v[i] = f.beta2 * v[i] + (1 - f.beta2) * g * g;
    w[i] = f.shrink * w[i] - f.step_size * (m[i] / (std::sqrt(v[i]) / f.root + f.epsilon));
  }
}

#if !defined(__clang__)
#pragma GCC pop_options
#endif

}  // namespace detail
}  // namespace remat
