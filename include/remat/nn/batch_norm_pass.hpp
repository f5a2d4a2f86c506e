// SPDX-License-Identifier: MIT
/// What the kernels of a batch norm have in common: a pass over its rows, with the scale of each channel.
#pragma once

#include <remat/core/kernel.hpp>
#include <remat/nn/channel_pass.hpp>

#include <cmath>
#include <cstddef>
#include <span>

namespace remat::nn {

/// Numbers of a batch norm, by PyTorch's names and defaults: `batch_norm2d<64, batch_norm_options{.epsilon = 1e-3}>`.
struct batch_norm_options {
  double epsilon = 1e-5;  ///< added to the variance
  double momentum = 0.1;  ///< the share of a batch in what the running statistics become

  constexpr bool operator==(const batch_norm_options&) const = default;
};

namespace detail {

struct prepared_batch_norm : prepared {
  channel_geometry rows;

  explicit prepared_batch_norm(const preparation& p)
      : rows(p.inputs[0].channels(), p.inputs[0].height() * p.inputs[0].width() * p.batch) {
    scratch_bytes = rows.scratch_bytes();
  }
};

inline channel_pass batch_norm_rows(const kernel_pass& p, const const_numbers& x, const const_numbers& dy) {
  return {p.prepared_as<prepared_batch_norm>().rows, p.scratch(), x, dy, p.activation_after() == activation::relu};
}
inline double inverse_deviation(const kernel_pass& p, float variance) {
  return 1 / std::sqrt(static_cast<double>(variance) + p.attributes<batch_norm_options>().epsilon);
}
/// The same in forward and in backward, so that both agree where a relu after it is positive.
inline void set_batch_norm_scale(channel_pass& rows, const kernel_pass& p, std::span<const float> mean,
                                 std::span<const float> variance) {
  const std::span<const float> weight = p.parameter(0), bias = p.parameter(1);
  rows.set(coefficient::mean, [&](std::size_t c) { return mean[c]; });
  rows.set(coefficient::scale, [&](std::size_t c) {
    return static_cast<float>(static_cast<double>(weight[c]) * inverse_deviation(p, variance[c]));
  });
  rows.set(coefficient::shift, [&](std::size_t c) { return bias[c]; });
}

/// value becomes (1 - momentum) * value + momentum * newest.
inline void follow(float& value, double newest, double momentum) {
  value = static_cast<float>((1 - momentum) * static_cast<double>(value) + momentum * newest);
}

}  // namespace detail
}  // namespace remat::nn
