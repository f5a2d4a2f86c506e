// SPDX-License-Identifier: MIT
/// A linear layer: y = x W^T + b over the last extent.
///
///     forward               y  = x W^T + b      x (rows, In), W (Out, In), b (Out), y (rows, Out)
///     backward, parameters  dW = dy^T x, db = sum of dy over the rows
///     backward, input       dx = dy W
///
/// Backward of the parameters reads the input; that of the input reads nothing but weights. Weights stay in PyTorch's
/// layout and are used in place. Three products (matrix_product.hpp); the bias gradient is a loop of ours, since
/// oneDNN's reduction takes half the time of a product. Those of bfloat16 are in bfloat16_linear.hpp.
#pragma once

#include <remat/core/module.hpp>
#include <remat/nn/bfloat16_linear.hpp>
#include <remat/nn/bias.hpp>
#include <remat/nn/fused_relu.hpp>
#include <remat/nn/matrix_product.hpp>
#include <remat/nn/sum_rows.hpp>
#include <remat/nn/weight_and_bias.hpp>

#include <cstddef>
#include <memory>
#include <string_view>

namespace remat::nn {
namespace detail {

struct linear_attributes {
  std::size_t in, out;
  bool has_bias;
};

struct prepared_linear : prepared {
  matrix_product forward, backward_input, backward_weights;
  bfloat16_linear rounded;  // of a layer that computes with bfloat16, the three products
  bool is_rounded;
  fused_relu relu;

  explicit prepared_linear(const preparation& p) : is_rounded(p.compute == element::bfloat16) {
    const auto& [in, out, has_bias] = p.attributes<linear_attributes>();
    const std::size_t rows = p.inputs[0].elements(p.batch) / in;
    relu = {p.activation_after, {.samples = rows, .in = in, .out = out}};
    if (is_rounded) {
      rounded = {*this,
                 {.rows = rows,
                  .in = in,
                  .out = out,
                  .has_bias = has_bias,
                  .after = relu.in_primitive(),
                  .y = p.outputs[0].type,
                  .dy = p.output_gradient_type(),
                  .dx = p.input_gradient_type(),
                  .input_gradient = p.backward_input,
                  .weight_gradient = p.backward_parameters,
                  .adds_input = p.accumulates_input,
                  .adds_weights = p.accumulates_parameters}};
      return;
    }
    forward = {product::forward, rows, in, out, {.after = relu.in_primitive()}, has_bias};
    if (p.backward_input)
      backward_input = {product::input_gradient, rows, in, out, {.adds_to_destination = p.accumulates_input}};
    if (p.backward_parameters)
      backward_weights = {product::weight_gradient, rows, in, out, {.adds_to_destination = p.accumulates_parameters}};
    for (const matrix_product* each : {&forward, &backward_input, &backward_weights}) each->reserve(*this, 0);
  }
};

struct linear_kernels {
  static std::unique_ptr<prepared> prepare(const preparation& p) { return std::make_unique<prepared_linear>(p); }
  static void pack(const pack_pass& pass) { pass.prepared_as<prepared_linear>().rounded.pack(pass); }

  static void forward(const forward_pass& pass) {
    const auto& state = pass.prepared_as<prepared_linear>();
    const const_numbers x = pass.input_numbers();
    const float* const w = pass.parameter(0).data();
    const float* const b = pass.attributes<linear_attributes>().has_bias ? pass.parameter(1).data() : nullptr;
    const numbers y = pass.output_numbers();
    if (state.is_rounded)
      state.rounded.forward(pass, x.data, b, y.data);
    else
      state.forward.execute(pass.scratch(), reinterpret_cast<float*>(y.data), reinterpret_cast<const float*>(x.data), w,
                            b);
    state.relu.finish(x, w, b, y);
  }

  static void backward_input(const backward_pass& pass) {
    const auto& state = pass.prepared_as<prepared_linear>();
    if (state.is_rounded)
      return state.rounded.input_gradient(pass, state.rounded.rounded(pass, pass.output_gradient_numbers().data),
                                          pass.input_gradient_numbers().data);
    state.backward_input.execute(pass.scratch(), pass.input_gradient().data(), pass.output_gradient().data(),
                                 pass.parameter(0).data());
  }

  static void backward_parameters(const backward_pass& pass) {
    const auto& state = pass.prepared_as<prepared_linear>();
    const auto& [in, out, has_bias] = pass.attributes<linear_attributes>();
    const const_numbers dy = pass.output_gradient_numbers();
    if (has_bias) sum_rows(dy, dy.size / out, out, pass.parameter_gradient(1));  // while dy is in the cache
    if (state.is_rounded)
      return state.rounded.weight_gradient(pass, state.rounded.rounded(pass, dy.data), pass.input_numbers().data,
                                           pass.parameter_gradient(0).data());
    state.backward_weights.execute(pass.scratch(), pass.parameter_gradient(0).data(), pass.output_gradient().data(),
                                   pass.input().data());
  }
};

template <std::size_t In, std::size_t Out>
struct linear_sizes {
  static constexpr bool holds = true;
  static_assert(In > 0 && Out > 0, "remat: a linear layer has at least one input and one output; give it more");
};

}  // namespace detail

/// PyTorch's `Linear(In, Out)`; takes (In), (T, In) and so on.
template <std::size_t In, std::size_t Out, bias Bias = bias::with>
struct linear : module {
  static_assert(detail::linear_sizes<In, Out>::holds);

  static constexpr std::string_view kind = "linear";
  static tensor<float, Out> output(tensor<float, In>);
  template <std::size_t Rows>
  static tensor<float, Rows, Out> output(tensor<float, Rows, In>);
  template <std::size_t S, std::size_t T>
  static tensor<float, S, T, Out> output(tensor<float, S, T, In>);
  template <std::size_t R, std::size_t S, std::size_t T>
  static tensor<float, R, S, T, Out> output(tensor<float, R, S, T, In>);
  static constexpr reads backward_parameters_reads = reads::inputs;
  static constexpr traits is{.fuses = {activation::relu, activation::tanh, activation::sigmoid},
                             .takes_bfloat16 = true,
                             .gives_bfloat16 = true,
                             .multiplies_bfloat16 = true,
                             .computes_samples_apart = true};
  static constexpr double flops(tensor_shapes inputs, tensor_shapes) {
    return 2.0 * static_cast<double>(inputs[0].elements()) * Out;
  }

  static constexpr auto parameters = detail::weight_and_bias<Bias>({Out, In}, Out, In);

  static constexpr detail::linear_attributes attributes{In, Out, Bias == bias::with};
  using kernels = detail::linear_kernels;
};

}  // namespace remat::nn

REMAT_COMPILED_KERNELS(detail::linear_kernels)
