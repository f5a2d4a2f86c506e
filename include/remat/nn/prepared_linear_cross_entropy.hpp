// SPDX-License-Identifier: MIT
/// What linear_cross_entropy prepares: the products of its chunks of rows, in float32 or of factors of bfloat16, and
/// where a chunk's logits are in scratch.
///
/// The first chunk writes the gradient of the weights where the later ones add to it.
#pragma once

#include <remat/core/alignment.hpp>
#include <remat/core/kernel.hpp>
#include <remat/nn/bfloat16_linear.hpp>
#include <remat/nn/loss_options.hpp>
#include <remat/nn/matrix_product.hpp>

#include <cstddef>

namespace remat::nn::detail {

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

/// How many rows have their logits computed at a time: those of 8 MB, or more where that is few, since each chunk reads
/// W and its gradient again: up to 256 whose logits take a third of W's bytes, and at least 64. All chunks but the
/// last are equal.
constexpr std::size_t rows_of_chunk(std::size_t rows, std::size_t in, std::size_t out) {
  constexpr std::size_t bytes = 8 << 20, fewest = 64, enough = 256;
  const std::size_t by_weights = in / 3 < enough ? in / 3 : enough;
  std::size_t most = bytes / (out * sizeof(float));
  if (most < by_weights) most = by_weights;
  if (most < fewest) most = fewest;
  if (most >= rows) return rows;
  const std::size_t chunks = (rows + most - 1) / most;
  return (rows + chunks - 1) / chunks;
}

struct prepared_linear_cross_entropy : prepared {
  std::size_t rows, chunk;
  std::size_t losses_at = 0;  ///< of the rows, in scratch after the logits of a chunk

  explicit prepared_linear_cross_entropy(const preparation& p) : is_rounded_(p.compute == element::bfloat16) {
    // (clang 16 lets no lambda capture structured bindings where OpenMP is on.)
    const linear_cross_entropy_attributes& sizes = p.attributes<linear_cross_entropy_attributes>();
    const std::size_t in = sizes.in, out = sizes.out;
    rows = p.inputs[1].elements(p.batch);
    chunk = rows_of_chunk(rows, in, out);
    losses_at = aligned(chunk * out * sizeof(float));
    own_ = losses_at + rows * sizeof(double);

    if (is_rounded_) {
      round(p);
      return;
    }
    const auto weights_gradient = [&](std::size_t count, bool adds) {
      return matrix_product(product::weight_gradient, count, in, out, {.adds_to_destination = adds});
    };
    const auto products = [&](std::size_t count, bool follows) {
      chunk_products made;
      made.logits = {product::forward, count, in, out, {}, sizes.has_bias};
      if (p.backward_input)
        made.backward_input = {product::input_gradient, count, in, out, {.adds_to_destination = p.accumulates_input}};
      if (p.backward_parameters && follows) made.backward_weights = weights_gradient(count, true);
      return made;
    };
    full_ = products(chunk, rows >= 2 * chunk);
    if (rows % chunk != 0) rest_ = products(rows % chunk, true);
    if (p.backward_parameters) first_weights_ = weights_gradient(chunk, p.accumulates_parameters);
    for (const matrix_product* each : {&full_.logits, &full_.backward_input, &full_.backward_weights, &rest_.logits,
                                       &rest_.backward_input, &rest_.backward_weights, &first_weights_})
      each->reserve(*this, own_);
    if (scratch_bytes < own_) scratch_bytes = own_;
  }

  void pack(const pack_pass& pass) const { first_rounded_.pack(pass); }

  /// Those of one chunk, at the beginning of scratch; then their gradient.
  static float* logits(const kernel_pass& p) { return reinterpret_cast<float*>(p.scratch()); }

  /// Computes the logits of the chunk that begins at row `first`; returns its rows.
  std::size_t make_logits(const kernel_pass& p, const const_numbers& x, std::size_t first) const {
    const auto& [in, out, has_bias, o] = p.attributes<linear_cross_entropy_attributes>();
    const float* const bias = has_bias ? p.parameter(1).data() : nullptr;
    const std::byte* const from = x.data + first * in * size_of(x.type);
    if (is_rounded_)
      rounded_at(first).forward(p, from, bias, p.scratch());
    else
      products_at(first).logits.execute(product_scratch(p), logits(p), reinterpret_cast<const float*>(from),
                                        p.parameter(0).data(), bias);
    return is_rest(first) ? rows - first : chunk;
  }

  /// The products with the gradient of a chunk's logits.
  void multiply(const backward_pass& pass, const const_numbers& x, std::size_t first, bool input,
                bool parameters) const {
    if (is_rounded_)
      multiply_rounded(pass, x, first, input, parameters);
    else
      multiply_floats(pass, first, input, parameters);
  }

 private:
  bool is_rest(std::size_t first) const { return rows - first < chunk; }
  const chunk_products& products_at(std::size_t first) const { return is_rest(first) ? rest_ : full_; }
  const bfloat16_linear& rounded_at(std::size_t first) const {
    if (first == 0) return first_rounded_;
    return is_rest(first) ? rest_rounded_ : full_rounded_;
  }
  /// Scratch of the products, after the kernel's own.
  std::byte* product_scratch(const kernel_pass& p) const { return p.scratch() + aligned(own_); }

  void multiply_floats(const backward_pass& pass, std::size_t first, bool input, bool parameters) const {
    const std::size_t in = pass.attributes<linear_cross_entropy_attributes>().in;
    const chunk_products& products = products_at(first);
    if (input)
      products.backward_input.execute(product_scratch(pass), pass.input_gradient(0).data() + first * in, logits(pass),
                                      pass.parameter(0).data());
    if (!parameters) return;
    const matrix_product& weights = first == 0 ? first_weights_ : products.backward_weights;
    weights.execute(product_scratch(pass), pass.parameter_gradient(0).data(), logits(pass),
                    pass.input(0).data() + first * in);
  }
  void multiply_rounded(const backward_pass& pass, const const_numbers& x, std::size_t first, bool input,
                        bool parameters) const {
    const std::size_t at = first * pass.attributes<linear_cross_entropy_attributes>().in;
    const bfloat16_linear& products = rounded_at(first);
    const std::byte* const dl = products.rounded(pass, pass.scratch());
    if (input) {
      const numbers dx = pass.input_gradient_numbers(0);
      products.input_gradient(pass, dl, dx.data + at * size_of(dx.type));
    }
    if (parameters)
      products.weight_gradient(pass, dl, x.data + at * size_of(x.type), pass.parameter_gradient(0).data());
  }

  void round(const preparation& p) {
    const linear_cross_entropy_attributes& sizes = p.attributes<linear_cross_entropy_attributes>();
    const auto made = [&](std::size_t count, bool is_first) {
      return bfloat16_linear(*this,
                             {.rows = count,
                              .in = sizes.in,
                              .out = sizes.out,
                              .has_bias = sizes.has_bias,
                              .y = element::float32,
                              .dy = element::float32,
                              .dx = p.input_gradient_type(),
                              .input_gradient = p.backward_input,
                              .weight_gradient = p.backward_parameters,
                              .adds_input = p.accumulates_input,
                              .adds_weights = !is_first || p.accumulates_parameters,
                              .readers = passes::all,
                              .own = own_,
                              .packs = is_first},
                             false);
    };
    scratch_bytes = own_;
    first_rounded_ = made(chunk, true);
    if (rows >= 2 * chunk) full_rounded_ = made(chunk, false);
    if (rows % chunk != 0) rest_rounded_ = made(rows % chunk, false);
  }

  std::size_t own_ = 0;  // bytes of scratch: a chunk's logits, and the losses
  chunk_products full_, rest_;
  matrix_product first_weights_;  // of the first chunk, whose gradient is written where the later ones are added
  bool is_rounded_;
  bfloat16_linear first_rounded_, full_rounded_, rest_rounded_;  // all products of these chunks, with bfloat16
};

}  // namespace remat::nn::detail
