// SPDX-License-Identifier: MIT
/// Cross entropy of logits and classes: log-softmax and negative log-likelihood in one, as a mean over the samples (for
/// images over their pixels, for (T, C) over the rows).
///
///     forward   loss = mean of m + log(s) - x[target],  m the largest x, s = sum of exp(x - m)
///     backward  dx   = (exp(x - m) / s - (1 at the target)) dy / count      reads the inputs
///
/// Targets are classes from 0 to C - 1, or -100 where a sample does not count (PyTorch's `ignore_index`); another is an
/// error that names it. Between the passes two numbers wait for each row, m and 1 / s, and nothing of the logits' size
/// but the logits.
#pragma once

#include <remat/core/module.hpp>
#include <remat/nn/class_targets.hpp>
#include <remat/nn/rows.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

namespace remat::nn {
namespace detail {

REMAT_BEGIN_VECTOR_CODE

/// The loss of rows [begin, end) of (rows, classes), 0 for those that do not count; `largest` and `shares` may be null.
REMAT_VECTORISED inline void cross_entropy_rows(const float* x, const std::int32_t* targets, double* losses,
                                                float* largest, float* shares, std::size_t classes, std::size_t begin,
                                                std::size_t end) {
  for (std::size_t row = begin; row < end; ++row) {
    const float* const in = x + row * classes;
    float m = 0;
    double sum = 1, loss = 0;
    if (targets[row] != ignored_target) {
      m = largest_of(in, classes);
      sum = sum_of(0, classes, [=](std::size_t c) { return exponential(in[c] - m); });
      loss = static_cast<double>(m) - static_cast<double>(in[targets[row]]) + std::log(sum);
    }
    losses[row] = loss;
    if (largest != nullptr) largest[row] = m;
    if (shares != nullptr) shares[row] = static_cast<float>(1 / sum);
  }
}

/// The gradient of these rows; dx may be x.
REMAT_VECTORISED inline void cross_entropy_rows_backward(const float* x, const std::int32_t* targets,
                                                         const float* largest, const float* shares, float dy, float* dx,
                                                         bool adds, std::size_t classes, std::size_t begin,
                                                         std::size_t end) {
  for (std::size_t row = begin; row < end; ++row) {
    const float* const in = x + row * classes;
    float* const to = dx + row * classes;
    if (targets[row] == ignored_target) {
      for (std::size_t c = 0; !adds && c < classes; ++c) to[c] = 0;
      continue;
    }
    const std::size_t target = static_cast<std::size_t>(targets[row]);
    const float m = largest[row], share = shares[row];
    const float at_target = (exponential(in[target] - m) * share - 1) * dy, before = to[target];
    if (adds) {
      REMAT_INDEPENDENT
      for (std::size_t c = 0; c < classes; ++c) to[c] += exponential(in[c] - m) * share * dy;
      to[target] = before + at_target;
    } else {
      REMAT_INDEPENDENT
      for (std::size_t c = 0; c < classes; ++c) to[c] = exponential(in[c] - m) * share * dy;
      to[target] = at_target;
    }
  }
}

REMAT_END_VECTOR_CODE

/// The mean of the losses that count: not a number where none does, as in PyTorch.
inline float mean_loss(const double* losses, std::size_t rows, std::size_t counted) {
  double sum = 0;
  for (std::size_t row = 0; row < rows; ++row) sum += losses[row];
  return static_cast<float>(sum / static_cast<double>(counted));
}

struct prepared_cross_entropy : prepared {
  explicit prepared_cross_entropy(const preparation& p) {
    scratch_bytes = p.inputs[1].elements(p.batch) * sizeof(double);
  }
};

struct cross_entropy_kernels {
  static std::unique_ptr<prepared> prepare(const preparation& p) { return std::make_unique<prepared_cross_entropy>(p); }

  static void forward(const forward_pass& pass) {
    const std::span<const std::int32_t> targets = pass.input<std::int32_t>(1);
    const std::size_t classes = row_elements(pass.input_shape(0));
    const std::size_t counted = checked_targets("cross_entropy", targets, classes);
    const float* const x = pass.input(0).data();
    double* const losses = reinterpret_cast<double*>(pass.scratch());
    float *const largest = pass.saved(0).data(), *const shares = pass.saved(1).data();
    parallel_for(targets.size(), row_grain(classes), [=](std::size_t begin, std::size_t end) {
      cross_entropy_rows(x, targets.data(), losses, largest, shares, classes, begin, end);
    });
    pass.output()[0] = mean_loss(losses, targets.size(), counted);
  }

  static void backward_input(const backward_pass& pass) {
    const std::span<const std::int32_t> targets = pass.input<std::int32_t>(1);
    const std::size_t classes = row_elements(pass.input_shape(0));
    const float dy = share_of_each(pass.output_gradient()[0], counted_targets(targets));
    const float *const x = pass.input(0).data(), *const largest = pass.saved(0).data(),
                       *const shares = pass.saved(1).data();
    const destination dx = pass.input_gradient(0);
    parallel_for(targets.size(), row_grain(classes), [=](std::size_t begin, std::size_t end) {
      cross_entropy_rows_backward(x, targets.data(), largest, shares, dy, dx.data(), dx.accumulates(), classes, begin,
                                  end);
    });
  }
};

}  // namespace detail

/// PyTorch's `CrossEntropyLoss()` of classes, over the last extent, of images over dim 1.
struct cross_entropy : detail::loss_of_classes {
  static constexpr std::string_view kind = "cross_entropy";
  /// The largest logit of each row, and 1 / the sum of the exponentials.
  template <std::size_t C>
  static tensors<tensor<float>, tensor<float>> saved_output(tensor<float, C>, tensor<std::int32_t>);
  template <std::size_t T, std::size_t C>
  static tensors<tensor<float, T>, tensor<float, T>> saved_output(tensor<float, T, C>, tensor<std::int32_t, T>);
  template <std::size_t C, std::size_t H, std::size_t W>
  static tensors<tensor<float, H, W>, tensor<float, H, W>> saved_output(tensor<float, C, H, W>,
                                                                        tensor<std::int32_t, H, W>);
  static constexpr reads backward_input_reads = reads::inputs | reads::saved;
  static constexpr double flops(const tensor_shape& input, const tensor_shape&) {
    return 8.0 * static_cast<double>(input.elements());
  }

  using kernels = detail::cross_entropy_kernels;
};

}  // namespace remat::nn
