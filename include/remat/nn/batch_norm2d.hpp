// SPDX-License-Identifier: MIT
/// Batch normalisation of images (Ioffe and Szegedy 2015), channel by channel over the batch and all pixels.
///
///     forward    y = (x - mean) * scale + bias,  scale = weight / sqrt(variance + epsilon)      x, y (N, C, H, W)
///     backward   dbias = sum of dy,  dweight = sum of dy * (x - mean) / sqrt(variance + epsilon)
///                dx = scale * (dy - dbias / M - (x - mean) / (variance + epsilon) * (sum of dy * (x - mean)) / M)
///
/// over M = N H W pixels. In training, mean and variance are the batch's, and the states `running_mean` and
/// `running_var` (M / (M - 1) of the variance) follow them, once a step; in inference they are used instead. Backward
/// reads the input and keeps two numbers a channel. A relu after it is applied in the same pass over memory, and found
/// again from the input by the same arithmetic, so that the output is not kept. Forward reads its input twice and
/// writes once; backward reads input and gradient twice and writes once.
///
/// Under `running_statistics` (model/running_statistics.hpp) training, too, uses the states and leaves them as they
/// are; see batch_norm_on_kept_states.hpp.
#pragma once

#include <remat/core/error.hpp>
#include <remat/core/module.hpp>
#include <remat/nn/batch_norm_on_kept_states.hpp>
#include <remat/nn/batch_norm_pass.hpp>
#include <remat/nn/channel_pass.hpp>

#include <array>
#include <cstddef>
#include <memory>
#include <span>
#include <string_view>

namespace remat::nn {
namespace detail {

struct batch_norm_kernels {
  static std::unique_ptr<prepared> prepare(const preparation& p) {
    auto made = std::make_unique<prepared_batch_norm>(p);
    if (p.training && made->rows.rows == 1)
      throw error(
          "batch_norm2d: in training a channel needs more than one value, but a batch of 1 with 1 x 1 pixels has one; "
          "train on larger batches or images");
    return made;
  }

  static void forward(const forward_pass& pass) {
    const channel_geometry& all = pass.prepared_as<prepared_batch_norm>().rows;
    channel_pass rows = batch_norm_rows(pass, pass.input_numbers(), {});
    std::span<const float> mean = pass.state(0), variance = pass.state(1);
    if (pass.training()) {
      rows.sum_up(channel_loop::moments);
      const std::span<float> batch_mean = pass.saved(0), batch_variance = pass.saved(1);
      for (std::size_t c = 0; c < all.channels; ++c) {
        batch_mean[c] = static_cast<float>(rows.sum(0)[c]);
        batch_variance[c] = static_cast<float>(rows.sum(1)[c] / static_cast<double>(all.rows));
      }
      mean = batch_mean;
      variance = batch_variance;
    }
    set_batch_norm_scale(rows, pass, mean, variance);
    if (const numbers y = pass.output_numbers(); y.data != nullptr) rows.run(channel_loop::scale, y);
  }

  static void backward_parameters(const backward_pass& pass) { differentiate(pass, true, false); }
  static void backward_input(const backward_pass& pass) { differentiate(pass, false, true); }
  static void backward(const backward_pass& pass) { differentiate(pass, true, true); }

  static void update_state(const update_pass& pass) {
    const double rows = static_cast<double>(pass.prepared_as<prepared_batch_norm>().rows.rows);
    const double momentum = pass.attributes<batch_norm_options>().momentum;
    const std::span<float> mean = pass.state(0), variance = pass.state(1);
    for (std::size_t c = 0; c < mean.size(); ++c) {
      follow(mean[c], static_cast<double>(pass.saved(0)[c]), momentum);
      follow(variance[c], static_cast<double>(pass.saved(1)[c]) * (rows / (rows - 1)), momentum);
    }
  }

 private:
  static void differentiate(const backward_pass& pass, bool parameters, bool input) {
    const double count = static_cast<double>(pass.prepared_as<prepared_batch_norm>().rows.rows);
    const std::span<const float> variance = pass.saved(1);
    channel_pass rows = batch_norm_rows(pass, pass.input_numbers(), pass.output_gradient_numbers());
    set_batch_norm_scale(rows, pass, pass.saved(0), variance);
    rows.sum_up(channel_loop::gradient_sums);
    const double *const sum = rows.sum(0), *const product = rows.sum(1);
    if (parameters) {
      pass.parameter_gradient(0).assign(
          [&](std::size_t c) { return static_cast<float>(product[c] * inverse_deviation(pass, variance[c])); });
      pass.parameter_gradient(1).assign([&](std::size_t c) { return static_cast<float>(sum[c]); });
    }
    if (!input) return;
    rows.set(coefficient::average, [&](std::size_t c) { return static_cast<float>(sum[c] / count); });
    rows.set(coefficient::slope, [&](std::size_t c) {
      const double inverse = inverse_deviation(pass, variance[c]);
      return static_cast<float>(product[c] * inverse * inverse / count);
    });
    rows.run(channel_loop::scale_gradients, pass.input_gradient_numbers());
  }
};

template <std::size_t C, batch_norm_options Options>
struct batch_norm_numbers {
  static constexpr bool holds = true;
  static_assert(C > 0 && Options.epsilon > 0 && Options.momentum >= 0 && Options.momentum <= 1,
                "remat: a batch norm has at least one channel, a positive epsilon and a momentum from 0 to 1; give it "
                "such numbers");
};

}  // namespace detail

/// PyTorch's `BatchNorm2d(C, eps, momentum)`; takes images (C, H, W).
template <std::size_t C, batch_norm_options Options = batch_norm_options{}>
struct batch_norm2d : module {
  static_assert(detail::batch_norm_numbers<C, Options>::holds);

  static constexpr std::string_view kind = "batch_norm2d";
  template <std::size_t H, std::size_t W>
  static image<float, C, H, W> output(image<float, C, H, W>);
  /// Mean and variance of the batch.
  template <std::size_t H, std::size_t W>
  static tensors<per_batch<float, C>, per_batch<float, C>> saved_shape(image<float, C, H, W>);
  static constexpr reads backward_input_reads = reads::inputs | reads::saved;
  static constexpr reads backward_parameters_reads = backward_input_reads;
  static constexpr traits is{.in_place = true,
                             .overwrites_input = true,
                             .fuses = {activation::relu},
                             .differentiates_activation = true,
                             .skips_outputs = true,
                             .takes_bfloat16 = true,
                             .gives_bfloat16 = true};
  static constexpr double flops(tensor_shapes, tensor_shapes outputs) {
    return 8.0 * static_cast<double>(outputs[0].elements());
  }

  static constexpr std::array parameters{parameter("weight", {C}, initial::constant(1)),
                                         parameter("bias", {C}, initial::constant(0))};
  static constexpr std::array states{parameter("running_mean", {C}, initial::constant(0)),
                                     parameter("running_var", {C}, initial::constant(1))};

  static constexpr batch_norm_options attributes = Options;
  using kernels = detail::batch_norm_kernels;
  using kernels_on_kept_states = detail::batch_norm_kernels_on_kept_states;
  using frozen_kernels_on_kept_states = detail::frozen_batch_norm_kernels_on_kept_states;
};

}  // namespace remat::nn

REMAT_COMPILED_KERNELS(detail::batch_norm_kernels)
