// SPDX-License-Identifier: MIT
/// Batch normalisation by its running statistics, which stay as they are: in training, too.
///
///     forward    y = (x - running_mean) * scale + bias,  scale = weight / sqrt(running_var + epsilon)   x, y (N, C, H, W)
///     backward   dbias = sum of dy,  dweight = sum of dy * (x - running_mean) / sqrt(running_var + epsilon)
///                dx = scale * dy
///
/// Nothing of the batch is saved. Where weight and bias train, backward reads the input, and finds a relu that is fused
/// after it from there; where they are frozen, it reads no input, and that relu is found from the output, as after a
/// convolution: the next layer usually reads the same.
#pragma once

#include <remat/core/kernel.hpp>
#include <remat/core/kernel_table.hpp>
#include <remat/nn/batch_norm_pass.hpp>
#include <remat/nn/channel_pass.hpp>

#include <cstddef>
#include <memory>

namespace remat::nn::detail {

struct batch_norm_kernels_on_kept_states {
  static std::unique_ptr<prepared> prepare(const preparation& p) { return std::make_unique<prepared_batch_norm>(p); }

  static void forward(const forward_pass& pass) {
    channel_pass rows = batch_norm_rows(pass, pass.input_numbers(), {});
    set_batch_norm_scale(rows, pass, pass.state(0), pass.state(1));
    rows.run(channel_loop::scale, pass.output_numbers());
  }
  static void backward_parameters(const backward_pass& pass) { differentiate(pass, true, false); }
  static void backward_input(const backward_pass& pass) { differentiate(pass, false, true); }
  static void backward(const backward_pass& pass) { differentiate(pass, true, true); }

 private:
  static void differentiate(const backward_pass& pass, bool parameters, bool input) {
    channel_pass rows = batch_norm_rows(pass, pass.input_numbers(), pass.output_gradient_numbers());
    set_batch_norm_scale(rows, pass, pass.state(0), pass.state(1));
    if (parameters) {
      rows.sum_up(channel_loop::gradient_sums);
      pass.parameter_gradient(0).assign([&](std::size_t c) {
        return static_cast<float>(rows.sum(1)[c] * inverse_deviation(pass, pass.state(1)[c]));
      });
      pass.parameter_gradient(1).assign([&](std::size_t c) { return static_cast<float>(rows.sum(0)[c]); });
    }
    if (!input) return;
    rows.run(channel_loop::pass_gradients, pass.input_gradient_numbers());
  }
};

struct frozen_batch_norm_kernels_on_kept_states {
  static std::unique_ptr<prepared> prepare(const preparation& p) { return std::make_unique<prepared_batch_norm>(p); }

  static void forward(const forward_pass& pass) { batch_norm_kernels_on_kept_states::forward(pass); }
  /// The gradient has gone back through a fused relu already.
  static void backward_input(const backward_pass& pass) {
    channel_pass rows(pass.prepared_as<prepared_batch_norm>().rows, pass.scratch(), {}, pass.output_gradient_numbers(),
                      false);
    set_batch_norm_scale(rows, pass, pass.state(0), pass.state(1));
    rows.run(channel_loop::pass_gradients, pass.input_gradient_numbers());
  }
};

}  // namespace remat::nn::detail

REMAT_COMPILED_KERNELS(detail::batch_norm_kernels_on_kept_states)
REMAT_COMPILED_KERNELS(detail::frozen_batch_norm_kernels_on_kept_states)
