// SPDX-License-Identifier: MIT
/// Negative log-likelihood of the right class, as a mean over the samples (for images over their pixels, for (T, C)
/// over the rows).
///
/// The model's output holds log-probabilities, (C), (T, C) or (C, H, W); the target is a class from 0 to C - 1 for each
/// sample, row or pixel, or -100 where it does not count (PyTorch's `ignore_index`). Another target is an error that
/// names it. Backward reads the target alone.
#pragma once

#include <remat/core/module.hpp>
#include <remat/nn/class_targets.hpp>
#include <remat/nn/rows.hpp>

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace remat::nn {

/// PyTorch's `NLLLoss()` of classes, over the last extent, of images over dim 1.
struct nll_loss : detail::loss_of_classes {
  static constexpr std::string_view kind = "nll_loss";
  static constexpr reads backward_input_reads = reads::input(1);

  static void forward(const forward_pass& pass) {
    const std::span<const float> log_probabilities = pass.input(0);             // (N, C), (N, T, C) or (N, H, W, C)
    const std::span<const std::int32_t> targets = pass.input<std::int32_t>(1);  // (N), (N, T) or (N, H, W)
    const std::size_t classes = detail::row_elements(pass.input_shape(0));
    const std::size_t counted = detail::checked_targets(kind, targets, classes);
    double sum = 0;
    for (std::size_t row = 0; row < targets.size(); ++row)
      if (targets[row] != ignored)
        sum -= static_cast<double>(log_probabilities[row * classes + static_cast<std::size_t>(targets[row])]);
    pass.output()[0] = static_cast<float>(sum / static_cast<double>(counted));
  }

  static void backward_input(const backward_pass& pass) {
    const std::span<const std::int32_t> targets = pass.input<std::int32_t>(1);
    const std::size_t classes = detail::row_elements(pass.input_shape(0));
    const float share = -detail::share_of_each(pass.output_gradient()[0], detail::counted_targets(targets));
    const destination dx = pass.input_gradient(0);
    float* const to = dx.data();
    if (!dx.accumulates()) dx.assign([](std::size_t) { return 0.0f; });
    for (std::size_t row = 0; row < targets.size(); ++row)
      if (targets[row] != ignored) to[row * classes + static_cast<std::size_t>(targets[row])] += share;
  }
};

}  // namespace remat::nn
