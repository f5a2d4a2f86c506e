// SPDX-License-Identifier: MIT
/// Clipping by the norm of all gradients together, as PyTorch's `clip_grad_norm_`:
///
///     model.train_step(images, labels);
///     const double norm = remat::clip_gradients(model, 1.0);
///     if (std::isfinite(norm)) optimizer.step(model);
///
/// Squares of floats are exact in double, and are summed there in an order that depends on no number of threads:
/// 8 lanes within a block of elements, blocks within a parameter, parameters in the order of the program. The norm is
/// finite where every gradient is. It allocates nothing from the second call on.
///
/// clipped.hpp has the same as an optimizer, for `model.train_step(images, labels, optimizer)`.
///
/// On the ranks of a distributed model it is collective: the norm is that of all stages' gradients.
#pragma once

#include <remat/core/error.hpp>
#include <remat/core/parallel.hpp>
#include <remat/run/trainable.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <span>
#include <string>

namespace remat {

namespace detail {

inline double square_sum_of_block(const float* x, std::size_t size) {
  constexpr std::size_t lanes = 8;
  double sums[lanes] = {};
  std::size_t i = 0;
  for (; i + lanes <= size; i += lanes)
    for (std::size_t lane = 0; lane < lanes; ++lane) {
      const double value = x[i + lane];
      sums[lane] += value * value;
    }
  for (std::size_t lane = 0; i + lane < size; ++lane) {
    const double value = x[i + lane];
    sums[lane] += value * value;
  }
  return ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]));
}

/// The sums of this many blocks are on the stack; taking fewer at once changes no bit.
inline constexpr std::size_t most_blocks_at_once = 2048;

inline double square_sum(std::span<const float> x, std::size_t blocks_at_once = most_blocks_at_once) {
  constexpr std::size_t block = 16384;
  double sum = 0;
  for (std::size_t first = 0; first < x.size(); first += block * blocks_at_once) {
    const std::span<const float> here = x.subspan(first, std::min(block * blocks_at_once, x.size() - first));
    const std::size_t blocks = (here.size() + block - 1) / block;
    std::array<double, most_blocks_at_once> sums;
    parallel_for(blocks, 1, [&](std::size_t begin, std::size_t end) {
      for (std::size_t b = begin; b < end; ++b)
        sums[b] = square_sum_of_block(here.data() + b * block, std::min(block, here.size() - b * block));
    });
    for (std::size_t b = 0; b < blocks; ++b) sum += sums[b];
  }
  return sum;
}

inline void require_norm(double max_norm) {
  if (!(max_norm > 0))
    throw error("clip_gradients: the largest norm is " + std::to_string(max_norm) + "; a number above 0 is accepted");
}

}  // namespace detail

/// Multiplies every gradient with `max_norm / (norm + 1e-6)` where that is below 1, and returns the norm that they had.
/// A norm that is no finite number leaves them as they are: the caller sees it, and may skip the step. An infinite
/// `max_norm` only asks for the norm. Frozen parameters have no gradient, and count for nothing. Throws `error`
/// where there are no gradients, as an optimizer does.
inline double clip_gradients(trainable& model, double max_norm) {
  detail::require_norm(max_norm);
  model.require_gradients();
  const thread_scope scope(model.threads());
  model.before_update(std::span(&max_norm, 1));
  const std::span<double> squares = model.numbers();
  for (std::size_t i = 0; i < squares.size(); ++i) squares[i] = detail::square_sum(model.parameters()[i].gradient);
  const double norm = std::sqrt(model.sum_over_parameters(squares));
  if (!std::isfinite(norm) || max_norm >= norm + 1e-6) return norm;
  const float coefficient = static_cast<float>(max_norm / (norm + 1e-6));
  for (const parameter_view& p : model.parameters()) {
    float* const gradient = p.gradient.data();
    elementwise(p.gradient.size(), [=](std::size_t i) { gradient[i] *= coefficient; });
  }
  return norm;
}

}  // namespace remat
