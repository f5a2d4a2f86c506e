// SPDX-License-Identifier: MIT
/// The mean squared error of a tensor of any shape; the target is a tensor of float of the same shape.
///
///     forward   loss = mean of (x - target)^2
///     backward  dx   = 2 (x - target) dy / count      reads the inputs
#pragma once

#include <remat/core/module.hpp>
#include <remat/nn/block_sum.hpp>
#include <remat/nn/rows.hpp>

#include <cstddef>
#include <memory>
#include <string_view>

namespace remat::nn {
namespace detail {

REMAT_BEGIN_VECTOR_CODE

REMAT_VECTORISED inline double sum_of_squared_errors(const float* x, const float* target, std::size_t begin,
                                                     std::size_t end) {
  return sum_of(begin, end, [=](std::size_t i) { return (x[i] - target[i]) * (x[i] - target[i]); });
}

REMAT_END_VECTOR_CODE

struct mse_loss_kernels {
  static std::unique_ptr<prepared> prepare(const preparation& p) { return std::make_unique<prepared_block_sum<>>(p); }

  static void forward(const forward_pass& pass) { mean_of_elements(pass, sum_of_squared_errors); }
  static void backward_input(const backward_pass& pass) {
    const destination dx = pass.input_gradient(0);
    const float share = 2 * pass.output_gradient()[0] / static_cast<float>(dx.size());
    dx.assign([=, x = pass.input(0).data(), t = pass.input(1).data()](std::size_t i) { return (x[i] - t[i]) * share; });
  }
};

}  // namespace detail

/// PyTorch's `MSELoss()`.
struct mse_loss : detail::loss_of_elements {
  static constexpr std::string_view kind = "mse_loss";
  static constexpr double flops(tensor_shapes inputs, tensor_shapes) {
    return 3.0 * static_cast<double>(inputs[0].elements());
  }

  using kernels = detail::mse_loss_kernels;
};

}  // namespace remat::nn

REMAT_COMPILED_KERNELS(detail::mse_loss_kernels)
