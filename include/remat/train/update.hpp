// SPDX-License-Identifier: MIT
/// The arithmetic of optimizers.
///
/// Products and sums are rounded one by one, whatever flags the user compiles with and whatever the width of vectors
/// (nn/vectorised.hpp), so that one machine gives one result.
#pragma once

#include <remat/nn/vectorised.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace remat {

namespace detail {

REMAT_BEGIN_VECTOR_CODE

struct sgd_factors {
  float learning_rate, momentum, dampening, weight_decay;
  bool nesterov;
};

/// `m` is null without momentum.
REMAT_VECTORISED inline void sgd_update(const sgd_factors& f, float* w, const float* gradient, float* m, bool is_first,
                                        std::size_t begin, std::size_t end) {
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

/// Roots of `count` numbers. Compilers make no vectors of std::sqrt, which may set errno: Adam took four times as long.
inline void take_roots(const float* of, float* roots, std::size_t count) {
  std::size_t i = 0;
#if defined(__SSE2__)
  for (; i + 4 <= count; i += 4) _mm_storeu_ps(roots + i, _mm_sqrt_ps(_mm_loadu_ps(of + i)));
#endif
  for (; i < count; ++i) roots[i] = std::sqrt(of[i]);
}

REMAT_VECTORISED inline void adam_update(const adam_factors& f, float* w, const float* gradient, float* m, float* v,
                                         std::size_t begin, std::size_t end) {
  constexpr std::size_t few = 256;
  float roots[few];
  for (std::size_t first = begin; first < end; first += few) {
    const std::size_t last = std::min(first + few, end);
    REMAT_INDEPENDENT
    for (std::size_t i = first; i < last; ++i) {
      const float g = gradient[i] + f.weight_decay * w[i];
      m[i] = f.beta1 * m[i] + (1 - f.beta1) * g;
      v[i] = f.beta2 * v[i] + (1 - f.beta2) * g * g;
    }
    take_roots(v + first, roots, last - first);
    REMAT_INDEPENDENT
    for (std::size_t i = first; i < last; ++i)
      w[i] = f.shrink * w[i] - f.step_size * (m[i] / (roots[i - first] / f.root + f.epsilon));
  }
}

REMAT_END_VECTOR_CODE

}  // namespace detail
}  // namespace remat
