// SPDX-License-Identifier: MIT
/// Batch normalisation of images (Ioffe and Szegedy 2015), channel by channel over the batch and all pixels.
///
///     forward    y = (x - mean) * scale + bias,  scale = weight / sqrt(variance + epsilon)      x, y (N, C, H, W)
///     backward   dbias = sum of dy,  dweight = sum of dy * (x - mean) / sqrt(variance + epsilon)
///                dx = scale * (dy - dbias / M - (x - mean) / (variance + epsilon) * (sum of dy * (x - mean)) / M)
///
/// over M = N H W pixels. In training, mean and variance are the batch's, and the states `running_mean` and
/// `running_var` (M / (M - 1) of the variance) follow them, once a step; in inference they are used instead. Backward
/// reads the input and keeps two numbers a channel. A relu behind it is applied in the same pass over memory, and found
/// again from the input by the same arithmetic, so that the output is not kept. Forward reads its input twice and
/// writes once; backward reads input and gradient twice and writes once.
#pragma once

#include <remat/core/alignment.hpp>
#include <remat/core/error.hpp>
#include <remat/core/module.hpp>
#include <remat/core/parallel.hpp>
#include <remat/nn/channel_loops.hpp>

#include <array>
#include <cmath>
#include <cstddef>
#include <memory>
#include <numeric>
#include <ratio>
#include <string_view>

namespace remat::nn {
namespace detail {

struct batch_norm_attributes {
  double epsilon, momentum;
};

/// How the rows of a batch are cut: into pieces whose sums are joined in order, and where channels are few, into groups
/// of rows that are one long row to the loops. Neither depends on the number of threads.
struct prepared_batch_norm : prepared {
  std::size_t channels, rows;
  std::size_t group = 1;         ///< rows in a long row
  std::size_t width, long_rows;  ///< numbers in a long row; how many are full
  std::size_t pieces;

  explicit prepared_batch_norm(const preparation& p)
      : channels(p.inputs[0].channels()), rows(p.inputs[0].elements(p.batch) / channels) {
    if (p.training && rows == 1)
      throw error(
          "batch_norm2d: in training a channel needs more than one value, but a batch of 1 with 1 x 1 pixels has one; "
          "train on larger batches or images");
    constexpr std::size_t lanes = 16, shortest = 64, most_pieces = 32, least_of_a_piece = 16384;
    if (channels < shortest) {
      const std::size_t step = lanes / std::gcd(channels, lanes);
      while (group * channels < shortest || group % step != 0) ++group;
    }
    width = group * channels;
    long_rows = rows / group;
    pieces = rows * channels / least_of_a_piece;
    if (pieces > most_pieces) pieces = most_pieces;
    if (pieces > long_rows) pieces = long_rows;
    if (pieces == 0) pieces = 1;
    scratch_bytes = sums_at() + (pieces + 1) * 2 * channels * sizeof(double);
  }

  std::size_t sums_at() const { return coefficients * aligned(width * sizeof(float)); }
  std::size_t rows_left() const { return rows - long_rows * group; }
  static constexpr std::size_t coefficients = 5;
};

/// A pass over a batch: the loops, on all threads.
class batch_norm_rows {
 public:
  batch_norm_rows(const pass& p, const float* x, const float* dy)
      : state_(p.prepared_as<prepared_batch_norm>()), scratch_(p.scratch()) {
    loop_.columns = loop_.stride = state_.width;
    loop_.x = x;
    loop_.dy = dy;
    loop_.acts = p.activation_after() == activation::relu;
    loop_.mean = coefficient(0);
    loop_.scale = coefficient(1);
    loop_.shift = coefficient(2);
    loop_.average = coefficient(3);
    loop_.slope = coefficient(4);
  }

  /// Numbers of the channels, as the loops want them: repeated for every row of a long row.
  template <class F>
  void set(int which, const F& of_channel) {
    float* const to = coefficient(which);
    for (std::size_t c = 0; c < state_.channels; ++c) to[c] = of_channel(c);
    for (std::size_t k = state_.channels; k < state_.width; ++k) to[k] = to[k - state_.channels];
  }

  /// The sums of every channel, for `sum(0)` and `sum(1)`.
  void sum_up(channel_loop which) {
    const std::size_t size = state_.channels;
    parallel_for(state_.pieces, 1, [&](std::size_t begin, std::size_t end) {
      for (std::size_t piece = begin; piece < end; ++piece) sum_up(which, piece);
    });
    double* const total = part(state_.pieces);
    for (std::size_t c = 0; c < 2 * size; ++c) total[c] = part(0)[c];
    for (std::size_t piece = 1; piece < state_.pieces; ++piece)
      join_sums(which, size, total, total + size, first_row(piece), part(piece), part(piece) + size,
                first_row(piece + 1) - first_row(piece));
  }
  const double* sum(int which) const { return part(state_.pieces) + static_cast<std::size_t>(which) * state_.channels; }

  void run(channel_loop which, float* to, bool adds = false) {
    loop_.to = to;
    loop_.adds = adds;
    parallel_for(state_.long_rows, 1 + 8192 / state_.width,
                 [&](std::size_t begin, std::size_t end) { run_channel_loop(which, loop_.at(begin, end - begin)); });
    if (state_.rows_left() > 0) run_channel_loop(which, rows_left());
  }

 private:
  float* coefficient(int i) const {
    return reinterpret_cast<float*>(scratch_ + static_cast<std::size_t>(i) * aligned(state_.width * sizeof(float)));
  }
  double* part(std::size_t piece) const {
    return reinterpret_cast<double*>(scratch_ + state_.sums_at()) + piece * 2 * state_.channels;
  }
  std::size_t first_long_row(std::size_t piece) const { return state_.long_rows * piece / state_.pieces; }
  std::size_t first_row(std::size_t piece) const {
    return piece == state_.pieces ? state_.rows : first_long_row(piece) * state_.group;
  }
  /// The rows behind the last long row, as a shorter one.
  channel_rows rows_left() const {
    channel_rows left = loop_.at(state_.long_rows, 1);
    left.columns = state_.rows_left() * state_.channels;
    return left;
  }

  void sum_up(channel_loop which, std::size_t piece) const {
    constexpr std::size_t most = channel_rows::most_columns;
    double first[most], second[most];
    double* const sums = part(piece);
    const std::size_t begin = first_long_row(piece), rows = first_long_row(piece + 1) - begin;
    for (std::size_t c = 0; c < 2 * state_.channels; ++c) sums[c] = 0;
    for (std::size_t at = 0; rows > 0 && at < state_.width; at += most) {
      channel_rows loop = loop_.at(begin, rows);
      loop.columns = state_.width - at < most ? state_.width - at : most;
      loop.x += at;
      if (loop.dy != nullptr) loop.dy += at;
      loop.mean += at;
      loop.scale += at;
      loop.shift += at;
      loop.first = first;
      loop.second = second;
      run_channel_loop(which, loop);
      join_groups(which, sums + at, 0, loop, rows);
    }
    if (piece + 1 < state_.pieces || state_.rows_left() == 0) return;
    channel_rows left = rows_left();
    left.first = first;
    left.second = second;
    run_channel_loop(which, left);
    join_groups(which, sums, rows * state_.group, left, 1);
  }
  /// The sums of a long row's columns become sums of channels.
  void join_groups(channel_loop which, double* sums, std::size_t rows_before, const channel_rows& from,
                   std::size_t rows) const {
    const std::size_t size = from.columns < state_.channels ? from.columns : state_.channels;
    for (std::size_t at = 0; at < from.columns; at += size, rows_before += rows)
      join_sums(which, size, sums, sums + state_.channels, rows_before, from.first + at, from.second + at, rows);
  }

  const prepared_batch_norm& state_;
  std::byte* scratch_;
  channel_rows loop_;
};

struct batch_norm_kernels {
  static std::unique_ptr<prepared> prepare(const preparation& p) { return std::make_unique<prepared_batch_norm>(p); }

  static void forward(const forward_pass& pass) {
    const auto& state = pass.prepared_as<prepared_batch_norm>();
    batch_norm_rows rows(pass, pass.input().data(), nullptr);
    std::span<const float> mean = pass.state(0), variance = pass.state(1);
    if (pass.training()) {
      rows.sum_up(channel_loop::moments);
      const std::span<float> batch_mean = pass.saved(0), batch_variance = pass.saved(1);
      for (std::size_t c = 0; c < state.channels; ++c) {
        batch_mean[c] = static_cast<float>(rows.sum(0)[c]);
        batch_variance[c] = static_cast<float>(rows.sum(1)[c] / static_cast<double>(state.rows));
      }
      mean = batch_mean;
      variance = batch_variance;
    }
    set_scale(rows, pass, mean, variance);
    rows.run(channel_loop::scale, pass.output().data());
  }

  static void backward_parameters(const backward_pass& pass) { differentiate(pass, true, false); }
  static void backward_input(const backward_pass& pass) { differentiate(pass, false, true); }
  static void backward(const backward_pass& pass) { differentiate(pass, true, true); }

  static void update_state(const update_pass& pass) {
    const double rows = static_cast<double>(pass.prepared_as<prepared_batch_norm>().rows);
    const double momentum = pass.attributes<batch_norm_attributes>().momentum;
    const std::span<float> mean = pass.state(0), variance = pass.state(1);
    for (std::size_t c = 0; c < mean.size(); ++c) {
      follow(mean[c], static_cast<double>(pass.saved(0)[c]), momentum);
      follow(variance[c], static_cast<double>(pass.saved(1)[c]) * (rows / (rows - 1)), momentum);
    }
  }

 private:
  static double inverse_deviation(const pass& p, float variance) {
    return 1 / std::sqrt(static_cast<double>(variance) + p.attributes<batch_norm_attributes>().epsilon);
  }
  /// The same in forward and in backward, so that both agree where a relu behind is positive.
  static void set_scale(batch_norm_rows& rows, const pass& p, std::span<const float> mean,
                        std::span<const float> variance) {
    const std::span<const float> weight = p.parameter(0), bias = p.parameter(1);
    rows.set(0, [&](std::size_t c) { return mean[c]; });
    rows.set(1, [&](std::size_t c) {
      return static_cast<float>(static_cast<double>(weight[c]) * inverse_deviation(p, variance[c]));
    });
    rows.set(2, [&](std::size_t c) { return bias[c]; });
  }

  static void differentiate(const backward_pass& pass, bool parameters, bool input) {
    const double count = static_cast<double>(pass.prepared_as<prepared_batch_norm>().rows);
    const std::span<const float> variance = pass.saved(1);
    batch_norm_rows rows(pass, pass.input().data(), pass.output_gradient().data());
    set_scale(rows, pass, pass.saved(0), variance);
    rows.sum_up(channel_loop::gradient_sums);
    const double *const sum = rows.sum(0), *const product = rows.sum(1);
    if (parameters) {
      pass.parameter_gradient(0).assign(
          [&](std::size_t c) { return static_cast<float>(product[c] * inverse_deviation(pass, variance[c])); });
      pass.parameter_gradient(1).assign([&](std::size_t c) { return static_cast<float>(sum[c]); });
    }
    if (!input) return;
    rows.set(3, [&](std::size_t c) { return static_cast<float>(sum[c] / count); });
    rows.set(4, [&](std::size_t c) {
      const double inverse = inverse_deviation(pass, variance[c]);
      return static_cast<float>(product[c] * inverse * inverse / count);
    });
    const destination dx = pass.input_gradient();
    rows.run(channel_loop::scale_gradients, dx.data(), dx.accumulates());
  }
};

template <std::size_t C, class Epsilon, class Momentum>
struct batch_norm_numbers {
  static constexpr bool holds = true;
  static_assert(C > 0 && Epsilon::num > 0 && Momentum::num >= 0 && Momentum::num <= Momentum::den,
                "remat: a batch norm has at least one channel, a positive epsilon and a momentum from 0 to 1; give it "
                "such numbers");
};

}  // namespace detail

/// PyTorch's `BatchNorm2d(C, eps, momentum)`, the numbers as ratios; takes (C, H, W).
template <std::size_t C, class Epsilon = std::ratio<1, 100000>, class Momentum = std::ratio<1, 10>>
struct batch_norm2d : module {
  static_assert(detail::batch_norm_numbers<C, Epsilon, Momentum>::holds);

  static constexpr std::string_view kind = "batch_norm2d";
  template <std::size_t H, std::size_t W>
  static tensor<float, C, H, W> output(tensor<float, C, H, W>);
  /// Mean and variance of the batch.
  template <std::size_t H, std::size_t W>
  static tensors<per_batch<float, C>, per_batch<float, C>> saved_output(tensor<float, C, H, W>);
  static constexpr reads backward_input_reads = reads::inputs | reads::saved;
  static constexpr reads backward_parameters_reads = backward_input_reads;
  static constexpr bool in_place = true;
  static constexpr activations fuses{activation::relu};
  static constexpr bool differentiates_activation = true;
  static constexpr double flops(const tensor_shape&, const tensor_shape& output) {
    return 8.0 * static_cast<double>(output.elements());
  }

  static constexpr std::array parameters{parameter("weight", {C}, initial::constant(1)),
                                         parameter("bias", {C}, initial::constant(0))};
  static constexpr std::array states{parameter("running_mean", {C}, initial::constant(0)),
                                     parameter("running_var", {C}, initial::constant(1))};

  static constexpr detail::batch_norm_attributes attributes{
      static_cast<double>(Epsilon::num) / static_cast<double>(Epsilon::den),
      static_cast<double>(Momentum::num) / static_cast<double>(Momentum::den)};
  using kernels = detail::batch_norm_kernels;
};

}  // namespace remat::nn
