// SPDX-License-Identifier: MIT
/// Cross entropy of logits and classes: log-softmax and negative log-likelihood in one, as a mean over the samples (for
/// images over their pixels, for (T, C) over the rows).
///
///     forward   loss = mean of m + log(s) - x[target],  m the largest x, s = sum of exp(x - m)
///     backward  dx   = (exp(x - m) / s - (1 at the target)) dy / count      reads the inputs
///
/// Targets are classes from 0 to C - 1, or -100 where a sample does not count (PyTorch's `ignore_index`); another is an
/// error that names it. The gradient of a row that does not count is 0, also of one that holds a NaN, where PyTorch has
/// NaN. Between the passes two numbers wait for each row, m and 1 / s, and nothing of the logits' size
/// but the logits; where nobody else reads these, their gradient is written over them.
#pragma once

#include <remat/core/module.hpp>
#include <remat/nn/class_targets.hpp>
#include <remat/nn/cross_entropy_rows.hpp>
#include <remat/nn/loss_options.hpp>
#include <remat/nn/rows.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

namespace remat::nn {
namespace detail {

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
    const loss_options& o = pass.attributes<loss_options>();
    const std::span<const float> weights = weights_of(pass, o);
    check_targets("cross_entropy", o, targets, classes);
    const float* const x = pass.input(0).data();
    double* const losses = reinterpret_cast<double*>(pass.scratch());
    float *const largest = pass.saved(0).data(), *const shares = pass.saved(1).data();
    parallel_for(targets.size(), row_grain(classes), [=, &o](std::size_t begin, std::size_t end) {
      loss_of_rows(o, weights, x, targets.data(), losses, largest, shares, classes, begin, end);
    });
    pass.output()[0] = mean_of_sum(sum_of_losses(losses, targets.size()), denominator_of(pass, o, targets, weights));
  }

  static void backward_input(const backward_pass& pass) {
    const std::span<const std::int32_t> targets = pass.input<std::int32_t>(1);
    const std::size_t classes = row_elements(pass.input_shape(0));
    const loss_options& o = pass.attributes<loss_options>();
    const std::span<const float> weights = weights_of(pass, o);
    const float dy = share_of_each(pass.output_gradient()[0], denominator_of(pass, o, targets, weights));
    const float *const x = pass.input(0).data(), *const largest = pass.saved(0).data(),
                       *const shares = pass.saved(1).data();
    const destination dx = pass.input_gradient(0);
    parallel_for(targets.size(), row_grain(classes), [=, &o](std::size_t begin, std::size_t end) {
      gradient_of_rows(o, weights, x, targets.data(), largest, shares, dy, dx.data(), dx.accumulates(), classes, begin,
                       end);
    });
  }
};

}  // namespace detail

/// PyTorch's `CrossEntropyLoss(...)` with options (loss_options.hpp).
template <class... Options>
struct cross_entropy_with : detail::loss_of_classes<Options...> {
  static constexpr std::string_view kind = "cross_entropy";
  /// The largest logit of each row, and 1 / the sum of the exponentials.
  template <std::size_t C>
  static tensors<tensor<float>, tensor<float>> saved_shape(tensor<float, C>, tensor<std::int32_t>);
  template <std::size_t T, std::size_t C>
  static tensors<tensor<float, T>, tensor<float, T>> saved_shape(tensor<float, T, C>, tensor<std::int32_t, T>);
  template <std::size_t C, std::size_t H, std::size_t W>
  static tensors<tensor<float, H, W>, tensor<float, H, W>> saved_shape(image<float, C, H, W>,
                                                                       tensor<std::int32_t, H, W>);
  static constexpr reads backward_input_reads = reads::inputs | reads::saved;
  static constexpr traits is{.overwrites_input = true, .divides_by_counted_in_batch = true};
  static constexpr double flops(tensor_shapes inputs, tensor_shapes) {
    return 8.0 * static_cast<double>(inputs[0].elements());
  }

  using kernels = detail::cross_entropy_kernels;
};

/// PyTorch's `CrossEntropyLoss()` of classes, over the last extent, of images over dim 1.
struct cross_entropy : cross_entropy_with<> {};

}  // namespace remat::nn

REMAT_COMPILED_KERNELS(detail::cross_entropy_kernels)
