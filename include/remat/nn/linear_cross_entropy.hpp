// SPDX-License-Identifier: MIT
/// A linear layer and the cross entropy of what it gives, which is never held as a whole: a loss for large
/// vocabularies.
///
///     forward               loss = mean over the rows of cross entropy(x W^T + b, target)
///     backward, input       dx = dl W           l = x W^T + b again, dl = (softmax(l) - (1 at the target)) dy / count
///     backward, parameters  dW = dl^T x, db = sum of dl over the rows
///
/// x (rows, In), W (Classes, In), b (Classes). Logits are computed in chunks of rows (rows_of_chunk), in scratch. Between the
/// passes two numbers wait for each row; backward computes the logits again, once for both halves where both are wanted. Targets are those of cross_entropy. The model's own output, what `predict` gives,
/// is x.
#pragma once

#include <remat/core/module.hpp>
#include <remat/nn/bfloat16_linear.hpp>
#include <remat/nn/bias.hpp>
#include <remat/nn/cross_entropy.hpp>
#include <remat/nn/linear.hpp>
#include <remat/nn/scratch.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

namespace remat::nn {
namespace detail {

/// The products of one chunk.
struct chunk_products {
  matrix_product logits, backward_input, backward_weights;
};

/// The layer's, then the loss's.
struct linear_cross_entropy_attributes {
  std::size_t in, out;
  bool has_bias;
  loss_options options;
};

/// How many rows have their logits computed at a time: those of 8 MB, or more where that is few, since each chunk reads W and
/// its gradient again: up to 256 whose logits take a quarter of W's bytes, and at least 64. All chunks but the last are equal.
constexpr std::size_t rows_of_chunk(std::size_t rows, std::size_t in, std::size_t out) {
  constexpr std::size_t bytes = 8 << 20, fewest = 64, enough = 256;
  const std::size_t by_weights = in / 4 < enough ? in / 4 : enough;
  std::size_t most = bytes / (out * sizeof(float));
  if (most < by_weights) most = by_weights;
  if (most < fewest) most = fewest;
  if (most >= rows) return rows;
  const std::size_t chunks = (rows + most - 1) / most;
  return (rows + chunks - 1) / chunks;
}

struct prepared_linear_cross_entropy : prepared {
  std::size_t rows, chunk;
  chunk_products full, rest;
  matrix_product first_weights;  ///< of the first chunk, whose gradient is written where the later ones are added
  bool is_rounded;
  bfloat16_linear first_rounded, full_rounded, rest_rounded;  ///< all products of these chunks, with bfloat16
  std::size_t losses_at = 0, own = 0;

  explicit prepared_linear_cross_entropy(const preparation& p) : is_rounded(p.compute == element::bfloat16) {
    const auto& [in, out, has_bias, o] = p.attributes<linear_cross_entropy_attributes>();
    rows = p.inputs[1].elements(p.batch);
    chunk = rows_of_chunk(rows, in, out);
    losses_at = aligned(chunk * out * sizeof(float));
    own = losses_at + rows * sizeof(double);

    if (is_rounded) {
      round(p);
      return;
    }
    const auto weights_gradient = [&](std::size_t count, bool adds) {
      return matrix_product(product::weight_gradient, count, in, out, {.adds_to_destination = adds});
    };
    const auto products = [&](std::size_t count, bool follows) {
      chunk_products made;
      made.logits = {product::forward, count, in, out, {}, has_bias};
      if (p.backward_input)
        made.backward_input = {product::input_gradient, count, in, out, {.adds_to_destination = p.accumulates_input}};
      if (p.backward_parameters && follows) made.backward_weights = weights_gradient(count, true);
      return made;
    };
    full = products(chunk, rows >= 2 * chunk);
    if (rows % chunk != 0) rest = products(rows % chunk, true);
    if (p.backward_parameters) first_weights = weights_gradient(chunk, p.accumulates_parameters);
    for (const matrix_product* each : {&full.logits, &full.backward_input, &full.backward_weights, &rest.logits,
                                       &rest.backward_input, &rest.backward_weights, &first_weights})
      each->reserve(*this, own);
    if (scratch_bytes < own) scratch_bytes = own;
  }

 private:
  void round(const preparation& p) {
    const auto& [in, out, has_bias, o] = p.attributes<linear_cross_entropy_attributes>();
    const auto made = [&](std::size_t count, bool is_first) {
      return bfloat16_linear(*this,
                             {.rows = count,
                              .in = in,
                              .out = out,
                              .has_bias = has_bias,
                              .y = element::float32,
                              .dy = element::float32,
                              .dx = p.input_gradient_type(),
                              .input_gradient = p.backward_input,
                              .weight_gradient = p.backward_parameters,
                              .adds_input = p.accumulates_input,
                              .adds_weights = !is_first || p.accumulates_parameters,
                              .readers = passes::all,
                              .own = own,
                              .packs = is_first},
                             false);
    };
    scratch_bytes = own;
    first_rounded = made(chunk, true);
    if (rows >= 2 * chunk) full_rounded = made(chunk, false);
    if (rows % chunk != 0) rest_rounded = made(rows % chunk, false);
  }
};

struct linear_cross_entropy_kernels {
  static std::unique_ptr<prepared> prepare(const preparation& p) {
    return std::make_unique<prepared_linear_cross_entropy>(p);
  }
  static void pack(const pack_pass& pass) {
    pass.prepared_as<prepared_linear_cross_entropy>().first_rounded.pack(pass);
  }

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
      const std::size_t count = make_logits(pass, pass.input_numbers(0), first);
      const auto from = [first](auto* values) { return values == nullptr ? nullptr : values + first; };
      parallel_for(count, row_grain(classes),
                   [=, &o, l = logits_of(pass), t = targets.data() + first, to = losses + first, m = from(largest),
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
  static float* logits_of(const kernel_pass& p) { return reinterpret_cast<float*>(p.scratch()); }
  /// Scratch of the products, after the kernel's own.
  static std::byte* product_scratch(const kernel_pass& p) {
    return p.scratch() + aligned(p.prepared_as<prepared_linear_cross_entropy>().own);
  }
  static const chunk_products& products_at(const kernel_pass& p, std::size_t first) {
    const auto& state = p.prepared_as<prepared_linear_cross_entropy>();
    return state.rows - first < state.chunk ? state.rest : state.full;
  }

  static const bfloat16_linear& rounded_at(const kernel_pass& p, std::size_t first) {
    const auto& state = p.prepared_as<prepared_linear_cross_entropy>();
    if (first == 0) return state.first_rounded;
    return state.rows - first < state.chunk ? state.rest_rounded : state.full_rounded;
  }

  /// The logits of the chunk that begins at row `first`, in scratch; returns its rows.
  static std::size_t make_logits(const kernel_pass& p, const const_numbers& x, std::size_t first) {
    const auto& state = p.prepared_as<prepared_linear_cross_entropy>();
    const auto& [in, out, has_bias, o] = p.attributes<linear_cross_entropy_attributes>();
    const float* const bias = has_bias ? p.parameter(1).data() : nullptr;
    const std::byte* const rows = x.data + first * in * size_of(x.type);
    if (state.is_rounded)
      rounded_at(p, first).forward(p, rows, bias, p.scratch());
    else
      products_at(p, first).logits.execute(product_scratch(p), logits_of(p), reinterpret_cast<const float*>(rows),
                                           p.parameter(0).data(), bias);
    return state.rows - first < state.chunk ? state.rows - first : state.chunk;
  }

  /// The products with the gradient of a chunk's logits.
  static void multiply(const backward_pass& pass, std::size_t first, bool input, bool parameters) {
    const auto& state = pass.prepared_as<prepared_linear_cross_entropy>();
    const std::size_t in = pass.attributes<linear_cross_entropy_attributes>().in;
    const chunk_products& products = products_at(pass, first);
    if (input)
      products.backward_input.execute(product_scratch(pass), pass.input_gradient(0).data() + first * in,
                                      logits_of(pass), pass.parameter(0).data());
    if (!parameters) return;
    const matrix_product& weights = first == 0 ? state.first_weights : products.backward_weights;
    weights.execute(product_scratch(pass), pass.parameter_gradient(0).data(), logits_of(pass),
                    pass.input(0).data() + first * in);
  }
  static void multiply_rounded(const backward_pass& pass, const const_numbers& x, std::size_t first, bool input,
                               bool parameters) {
    const std::size_t at = first * pass.attributes<linear_cross_entropy_attributes>().in;
    const bfloat16_linear& products = rounded_at(pass, first);
    const std::byte* const dl = products.rounded(pass, pass.scratch());
    if (input) {
      const numbers dx = pass.input_gradient_numbers(0);
      products.input_gradient(pass, dl, dx.data + at * size_of(dx.type));
    }
    if (parameters)
      products.weight_gradient(pass, dl, x.data + at * size_of(x.type), pass.parameter_gradient(0).data());
  }

  static void run(const backward_pass& pass, bool input, bool parameters) {
    const auto& state = pass.prepared_as<prepared_linear_cross_entropy>();
    const auto& [in, out, has_bias, o] = pass.attributes<linear_cross_entropy_attributes>();
    const std::span<const std::int32_t> targets = pass.input<std::int32_t>(1);
    const std::span<const float> of_classes = weights_of(pass, o);
    const float dy = share_of_each(pass.output_gradient()[0], denominator_of(pass, o, targets, of_classes));
    const const_numbers x = pass.input_numbers(0);
    float* const l = logits_of(pass);  // then their gradient
    for (std::size_t first = 0; first < state.rows; first += state.chunk) {
      const std::size_t count = make_logits(pass, x, first);
      parallel_for(count, row_grain(out),
                   [=, &options = o, classes = out, t = targets.data() + first, m = pass.saved(0).data() + first,
                    s = pass.saved(1).data() + first](std::size_t begin, std::size_t end) {
                     gradient_of_rows(options, of_classes, l, t, m, s, dy, l, false, classes, begin, end);
                   });
      if (state.is_rounded)
        multiply_rounded(pass, x, first, input, parameters);
      else
        multiply(pass, first, input, parameters);
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

template <std::size_t Classes, std::size_t Weights>
struct class_weights_of {
  static constexpr bool holds = true;
  static_assert(Weights == 0 || Weights == Classes,
                "remat: a loss has a weight for each of its classes; give class_weights the number of classes");
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

  static constexpr auto parameters = detail::linear_parameters<Bias>(In, Classes);
  static constexpr detail::linear_cross_entropy_attributes attributes{In, Classes, Bias == bias::with,
                                                                      detail::options_of<Options...>()};
  static constexpr auto states = detail::class_weight_states<attributes.options.weights>("class_weight");
  using kernels = detail::linear_cross_entropy_kernels;
};

}  // namespace remat::nn

REMAT_COMPILED_KERNELS(detail::linear_cross_entropy_kernels)
