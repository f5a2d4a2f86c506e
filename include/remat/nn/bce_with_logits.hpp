// SPDX-License-Identifier: MIT
/// Binary cross entropy of logits, as a mean over the elements of a tensor of any shape; the target is a tensor of
/// float of the same shape, of probabilities from 0 to 1.
///
///     forward   loss = mean of max(x, 0) - x target + log(1 + exp(-|x|)), where max(x, 0) - x target is one product
///     backward  dx   = (1 / (1 + exp(-x)) - target) dy / count      reads the inputs
///
/// Neither overflows, however large a logit is.
#pragma once

#include <remat/core/module.hpp>
#include <remat/nn/block_sum.hpp>
#include <remat/nn/rows.hpp>

#include <cmath>
#include <cstddef>
#include <memory>
#include <string_view>

namespace remat::nn {
namespace detail {

REMAT_BEGIN_VECTOR_CODE

REMAT_VECTORISED inline double sum_of_bce(const float* x, const float* target, std::size_t begin, std::size_t end) {
  return sum_of(begin, end, [=](std::size_t i) {
    const float linear = x[i] > 0 ? x[i] * (1.0f - target[i]) : -x[i] * target[i];
    return linear + log_one_plus(exponential(-std::fabs(x[i])));
  });
}

REMAT_VECTORISED inline void bce_backward(const float* x, const float* target, float dy, float* dx, bool adds,
                                          std::size_t begin, std::size_t end) {
  REMAT_INDEPENDENT
  for (std::size_t i = begin; i < end; ++i) {
    const float e = exponential(-std::fabs(x[i]));
    const float probability = (x[i] < 0 ? e : 1.0f) / (1.0f + e);
    const float gradient = (probability - target[i]) * dy;
    dx[i] = adds ? dx[i] + gradient : gradient;
  }
}

REMAT_END_VECTOR_CODE

struct bce_with_logits_kernels {
  static std::unique_ptr<prepared> prepare(const preparation& p) { return std::make_unique<prepared_block_sum<>>(p); }

  static void forward(const forward_pass& pass) { mean_of_elements(pass, sum_of_bce); }
  static void backward_input(const backward_pass& pass) {
    const destination dx = pass.input_gradient(0);
    const float dy = pass.output_gradient()[0] / static_cast<float>(dx.size());
    const float *const x = pass.input(0).data(), *const t = pass.input(1).data();
    parallel_for(dx.size(), summed_block, [=](std::size_t begin, std::size_t end) {
      bce_backward(x, t, dy, dx.data(), dx.accumulates(), begin, end);
    });
  }
};

}  // namespace detail

/// PyTorch's `BCEWithLogitsLoss()`.
struct bce_with_logits : detail::loss_of_elements {
  static constexpr std::string_view kind = "bce_with_logits";
  static constexpr double flops(tensor_shapes inputs, tensor_shapes) {
    return 12.0 * static_cast<double>(inputs[0].elements());
  }

  using kernels = detail::bce_with_logits_kernels;
};

}  // namespace remat::nn

REMAT_COMPILED_KERNELS(detail::bce_with_logits_kernels)
