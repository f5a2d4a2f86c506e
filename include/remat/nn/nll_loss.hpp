// SPDX-License-Identifier: MIT
/// Negative log-likelihood of the right class, as a mean over the samples (for images over their pixels, for (T, C)
/// over the rows).
///
/// The model's output holds log-probabilities, (C), (T, C) or (C, H, W); the target is a class from 0 to C - 1 for each
/// sample, row or pixel, or -100 where it does not count (PyTorch's `ignore_index`). Another target is an error that
/// names it. Backward reads the target alone.
#pragma once

#include <remat/core/module.hpp>
#include <remat/core/parallel.hpp>
#include <remat/nn/block_sum.hpp>
#include <remat/nn/class_targets.hpp>
#include <remat/nn/loss_options.hpp>
#include <remat/nn/rows.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

namespace remat::nn {
namespace detail {

struct nll_loss_kernels {
  static std::unique_ptr<prepared> prepare(const preparation& p) { return std::make_unique<prepared_block_sum<1>>(p); }

  static void forward(const forward_pass& pass) {
    const loss_options& o = pass.attributes<loss_options>();
    const std::span<const float> log_probabilities = pass.input(0);             // (N, C), (N, T, C) or (N, H, W, C)
    const std::span<const std::int32_t> targets = pass.input<std::int32_t>(1);  // (N), (N, T) or (N, H, W)
    const std::span<const float> weights = weights_of(pass, o);                 // (C)
    const std::size_t classes = row_elements(pass.input_shape(0));
    check_targets("nll_loss", o, targets, classes);
    const double sum = block_sum(targets.size(), pass.scratch(), [=, &o](std::size_t begin, std::size_t end) {
      double of_block = 0;
      for (std::size_t row = begin; row < end; ++row) {
        if (targets[row] == o.ignored) continue;
        const std::size_t target = static_cast<std::size_t>(targets[row]);
        const double weight = weights.empty() ? 1 : static_cast<double>(weights[target]);
        of_block -= weight * static_cast<double>(log_probabilities[row * classes + target]);
      }
      return of_block;
    });
    pass.output()[0] = mean_of_sum(sum, denominator_of(pass, o, targets, weights));
  }

  static void backward_input(const backward_pass& pass) {
    const loss_options& o = pass.attributes<loss_options>();
    const std::span<const std::int32_t> targets = pass.input<std::int32_t>(1);
    const std::span<const float> weights = weights_of(pass, o);
    const std::size_t classes = row_elements(pass.input_shape(0));
    const float share = -share_of_each(pass.output_gradient()[0], denominator_of(pass, o, targets, weights));
    const destination dx = pass.input_gradient(0);
    float* const to = dx.data();
    if (!dx.accumulates()) dx.assign([](std::size_t) { return 0.0f; });
    parallel_for(targets.size(), summed_block, [=, &o](std::size_t begin, std::size_t end) {
      for (std::size_t row = begin; row < end; ++row) {
        if (targets[row] == o.ignored) continue;
        const std::size_t target = static_cast<std::size_t>(targets[row]);
        to[row * classes + target] += weights.empty() ? share : weights[target] * share;
      }
    });
  }
};

template <class... Options>
struct nll_loss_options {
  static constexpr bool holds = true;
  static_assert(!(loss_option<Options>::smooths || ...),
                "remat: nll_loss has no label smoothing, as in PyTorch; take cross_entropy_with, of logits");
};

}  // namespace detail

/// PyTorch's `NLLLoss(...)` with options (loss_options.hpp) but label smoothing.
template <class... Options>
struct nll_loss_with : detail::loss_of_classes<Options...> {
  static_assert(detail::nll_loss_options<Options...>::holds);

  static constexpr std::string_view kind = "nll_loss";
  static constexpr reads backward_input_reads = reads::input(1);
  static constexpr traits is{.divides_by_counted_in_batch = true};

  using kernels = detail::nll_loss_kernels;
};

/// PyTorch's `NLLLoss()` of classes, over the last extent, of images over dim 1.
struct nll_loss : nll_loss_with<> {};

}  // namespace remat::nn

REMAT_COMPILED_KERNELS(detail::nll_loss_kernels)
