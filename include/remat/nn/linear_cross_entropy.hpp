// SPDX-License-Identifier: MIT
/// A linear layer and the cross entropy of what it gives, which is never held as a whole: a loss for large
/// vocabularies.
///
///     forward               loss = mean over the rows of cross entropy(x W^T + b, target)
///     backward, input       dx = dl W           l = x W^T + b again, dl = (softmax(l) - (1 at the target)) dy / count
///     backward, parameters  dW = dl^T x, db = sum of dl over the rows
///
/// x (rows, In), W (Classes, In), b (Classes). Logits are computed in chunks of rows (rows_of_chunk), in scratch.
/// Between the passes two numbers wait for each row; backward computes the logits again, once for both halves where
/// both are wanted. Targets are those of cross_entropy. The model's own output, what `predict` gives, is x.
#pragma once

#include <remat/core/module.hpp>
#include <remat/nn/bias.hpp>
#include <remat/nn/class_targets.hpp>
#include <remat/nn/cross_entropy_rows.hpp>
#include <remat/nn/loss_options.hpp>
#include <remat/nn/prepared_linear_cross_entropy.hpp>
#include <remat/nn/rows.hpp>
#include <remat/nn/sum_rows.hpp>
#include <remat/nn/weight_and_bias.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

namespace remat::nn {
namespace detail {

struct linear_cross_entropy_kernels {
  static std::unique_ptr<prepared> prepare(const preparation& p) {
    return std::make_unique<prepared_linear_cross_entropy>(p);
  }
  static void pack(const pack_pass& pass) { pass.prepared_as<prepared_linear_cross_entropy>().pack(pass); }

  static void forward(const forward_pass& pass) {
    const auto& state = pass.prepared_as<prepared_linear_cross_entropy>();
    const std::size_t classes = pass.attributes<linear_cross_entropy_attributes>().out;
    const std::span<const std::int32_t> targets = pass.input<std::int32_t>(1);
    const loss_options& o = pass.attributes<linear_cross_entropy_attributes>().options;
    const std::span<const float> weights = weights_of(pass, o);
    check_targets("linear_cross_entropy", o, targets, classes);
    double* const losses = reinterpret_cast<double*>(pass.scratch() + state.losses_at);
    float *const largest = pass.saved(0).data(), *const shares = pass.saved(1).data();
    for (std::size_t first = 0; first < state.rows; first += state.chunk) {
      const std::size_t count = state.make_logits(pass, pass.input_numbers(0), first);
      const auto from = [first](auto* values) { return values == nullptr ? nullptr : values + first; };
      parallel_for(count, row_grain(classes),
                   [=, &o, l = state.logits(pass), t = targets.data() + first, to = losses + first, m = from(largest),
                    s = from(shares)](std::size_t begin, std::size_t end) {
                     loss_of_rows(o, weights, l, t, to, m, s, classes, begin, end);
                   });
    }
    pass.output()[0] = mean_of_sum(sum_of_losses(losses, state.rows), denominator_of(pass, o, targets, weights));
  }
  static void backward_input(const backward_pass& pass) { run(pass, true, false); }
  static void backward_parameters(const backward_pass& pass) { run(pass, false, true); }
  static void backward(const backward_pass& pass) { run(pass, true, true); }

 private:
  static void run(const backward_pass& pass, bool input, bool parameters) {
    const auto& state = pass.prepared_as<prepared_linear_cross_entropy>();
    const auto& [in, out, has_bias, o] = pass.attributes<linear_cross_entropy_attributes>();
    const std::span<const std::int32_t> targets = pass.input<std::int32_t>(1);
    const std::span<const float> of_classes = weights_of(pass, o);
    const float dy = share_of_each(pass.output_gradient()[0], denominator_of(pass, o, targets, of_classes));
    const const_numbers x = pass.input_numbers(0);
    float* const l = state.logits(pass);  // then their gradient
    for (std::size_t first = 0; first < state.rows; first += state.chunk) {
      const std::size_t count = state.make_logits(pass, x, first);
      parallel_for(count, row_grain(out),
                   [=, &options = o, classes = out, t = targets.data() + first, m = pass.saved(0).data() + first,
                    s = pass.saved(1).data() + first](std::size_t begin, std::size_t end) {
                     gradient_of_rows(options, of_classes, l, t, m, s, dy, l, false, classes, begin, end);
                   });
      state.multiply(pass, x, first, input, parameters);
      if (!parameters || !has_bias) continue;
      const destination db = pass.parameter_gradient(1);
      sum_rows(l, count, out, {db.data(), db.size(), db.accumulates() || first > 0});
    }
  }
};

template <std::size_t In, std::size_t Classes>
struct linear_cross_entropy_sizes {
  static constexpr bool holds = true;
  static_assert(In > 0 && Classes > 0,
                "remat: a linear_cross_entropy has at least one input and one class; give it more");
};

}  // namespace detail

/// `CrossEntropyLoss(...)(Linear(In, Classes)(x), target)`, with options (loss_options.hpp); takes (In) or (T, In). Its
/// parameters are those of `linear`, so that weights of classes are the state "loss.class_weight".
template <std::size_t In, std::size_t Classes, bias Bias = bias::with, class... Options>
struct linear_cross_entropy : module {
  static_assert(detail::linear_cross_entropy_sizes<In, Classes>::holds);
  static_assert(detail::class_weights_of<Classes, detail::options_of<Options...>().weights>::holds);

  static constexpr std::string_view kind = "linear_cross_entropy";
  static constexpr std::int32_t ignored = detail::options_of<Options...>().ignored;

  static tensor<std::int32_t> target(tensor<float, In>);
  template <std::size_t T>
  static tensor<std::int32_t, T> target(tensor<float, T, In>);
  static scalar<float> output(tensor<float, In>, tensor<std::int32_t>);
  template <std::size_t T>
  static scalar<float> output(tensor<float, T, In>, tensor<std::int32_t, T>);
  static double counted(const target_pass& pass) {
    return detail::counted_targets(attributes.options, pass.target<std::int32_t>(),
                                   detail::weights_of(pass, attributes.options));
  }
  /// The largest logit of each row, and 1 / the sum of the exponentials.
  static tensors<tensor<float>, tensor<float>> saved_shape(tensor<float, In>, tensor<std::int32_t>);
  template <std::size_t T>
  static tensors<tensor<float, T>, tensor<float, T>> saved_shape(tensor<float, T, In>, tensor<std::int32_t, T>);
  static constexpr reads backward_input_reads = reads::inputs | reads::saved;
  static constexpr reads backward_parameters_reads = reads::inputs | reads::saved;
  static constexpr traits is{.divides_by_counted_in_batch = true, .takes_bfloat16 = true, .multiplies_bfloat16 = true};
  static constexpr double flops(tensor_shapes inputs, tensor_shapes) {
    return 2.0 * static_cast<double>(inputs[0].elements()) * Classes;
  }

  static constexpr auto parameters = detail::weight_and_bias<Bias>({Classes, In}, Classes, In);
  static constexpr detail::linear_cross_entropy_attributes attributes{In, Classes, Bias == bias::with,
                                                                      detail::options_of<Options...>()};
  static constexpr auto states = detail::class_weight_states<attributes.options.weights>("class_weight");
  using kernels = detail::linear_cross_entropy_kernels;
};

}  // namespace remat::nn

REMAT_COMPILED_KERNELS(detail::linear_cross_entropy_kernels)
