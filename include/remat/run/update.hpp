// SPDX-License-Identifier: MIT
/// The arithmetic of optimizers, and their state.
///
/// Products and sums are rounded one by one, whatever flags the user compiles with, so that one machine gives one result:
/// contraction into fused multiply-adds is off here.
#pragma once

#include <remat/run/network.hpp>

#include <cmath>
#include <cstddef>
#include <vector>

namespace remat {

/// Calls f(index of a parameter, the parameter, begin, end) on pieces of all parameters of a model, on its threads.
template <class F>
void update_parameters(network& model, const F& f) {
  const thread_scope scope(model.threads());
  std::size_t index = 0;
  for (const parameter_view& p : model.parameters()) {
    parallel_for(p.values.size(), 16384, [&](std::size_t begin, std::size_t end) { f(index, p, begin, end); });
    ++index;
  }
}

/// One or more numbers for each parameter of a model.
class optimizer_state {
 public:
  /// Allocates `rows` numbers per parameter for a model, at the first call; a later call with another model is an error.
  void attach(const network& model, std::size_t rows) {
    if (model_ == nullptr) {
      model_ = &model.lowered();
      for (std::size_t row = 0; row < rows; ++row)
        for (const parameter_view& p : model.parameters()) rows_.emplace_back(p.values.size());
    }
    if (model_ != &model.lowered()) throw error("an optimizer serves the model of its first step; make one for each model");
    per_row_ = model.parameters().size();
  }
  float* of(std::size_t row, std::size_t parameter) { return rows_[row * per_row_ + parameter].data(); }

 private:
  const program* model_ = nullptr;
  std::size_t per_row_ = 0;
  std::vector<std::vector<float>> rows_;
};

namespace detail {

#if !defined(__clang__)
#pragma GCC push_options
#pragma GCC optimize("O3", "fp-contract=off")
#endif

struct sgd_factors {
  float learning_rate, momentum, dampening, weight_decay;
  bool nesterov, is_first;
};

/// `m` is null without momentum.
inline void sgd_update(const sgd_factors& f, float* w, const float* gradient, float* m, std::size_t begin, std::size_t end) {
#if defined(__clang__)
#pragma clang fp contract(off)
#endif
  if (m == nullptr && f.weight_decay == 0) {
    for (std::size_t i = begin; i < end; ++i) w[i] -= f.learning_rate * gradient[i];
    return;
  }
  const float fresh = f.is_first ? 1 : 1 - f.dampening;
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
  float beta1, beta2, epsilon, weight_decay;
  float step_size;    ///< learning_rate / (1 - beta1^t)
  float root;         ///< sqrt(1 - beta2^t)
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
    w[i] -= f.step_size * (m[i] / (std::sqrt(v[i]) / f.root + f.epsilon));
  }
}

#if !defined(__clang__)
#pragma GCC pop_options
#endif

}  // namespace detail
}  // namespace remat
