// SPDX-License-Identifier: MIT
/// Two-dimensional transposed convolution, channels-last: what a convolution's backward does, forward.
///
///     forward               y = x transposed-convolved with W, + b   x (N, H, W, In), W (In, Out, K, K)
///                                                                    y (N, H', W', Out)
///     backward, parameters  dW, db                                   reads the input
///     backward, input       dx = dy convolved with W                 reads weights only
///
/// H' = (H - 1) Stride - 2 Padding + K + OutputPadding, likewise W'. Forward is oneDNN's backward of the convolution
/// from y to x, and backward its forward. Weights are packed as those of conv2d are.
#pragma once

#include <remat/core/module.hpp>
#include <remat/nn/bias.hpp>
#include <remat/nn/channel_pass.hpp>
#include <remat/nn/scratch.hpp>

#include <array>
#include <cstddef>
#include <memory>
#include <string_view>

namespace remat::nn {
namespace detail {

struct conv_transpose2d_attributes {
  std::size_t in, out, kernel, stride, padding, output_padding;
  bool has_bias;
};

struct prepared_conv_transpose2d : prepared {
  onednn::primitive forward, backward_input, backward_weights, pack_forward, pack_backward, unpack_gradient;
  channel_geometry pixels;         ///< of the output
  std::size_t gradient_bytes = 0;  ///< of the weights' gradient in scratch

  explicit prepared_conv_transpose2d(const preparation& p) {
    using onednn::extent;
    using onednn::layout;
    const auto& a = p.attributes<conv_transpose2d_attributes>();
    const tensor_shape &in = p.inputs[0], &out = p.outputs[0];
    const layout x = layout::channels_last({p.batch, a.in, in.height(), in.width()});
    const layout y = layout::channels_last({p.batch, a.out, out.height(), out.width()});
    const layout any = layout::chosen({a.in, a.out, a.kernel, a.kernel});
    const layout plain = layout::row_major({a.in, a.out, a.kernel, a.kernel});
    const extent behind = extent(a.padding) - extent(a.output_padding);
    const onednn::window window(a.kernel, a.stride, a.padding, {behind, behind});
    const onednn::convolution convolution{y, any, nullptr, x, window};

    forward = convolution.backward_input();
    const layout weights = forward.layout_of(onednn::weights);
    pack_forward = onednn::primitive::reorder(plain, weights);
    packed.push_back({weights.bytes(), passes::forward});
    reserve_scratch(*this, passes::forward, 0, forward);
    reserve_scratch(*this, passes::pack, 0, pack_forward);
    if (p.backward_input) {
      backward_input = convolution.forward({.adds_to_destination = p.accumulates_input});
      const layout weights_backward = backward_input.layout_of(onednn::weights);
      pack_backward = onednn::primitive::reorder(plain, weights_backward);
      packed.push_back({weights_backward.bytes(), passes::backward_input});
      reserve_scratch(*this, passes::backward_input, 0, backward_input);
      reserve_scratch(*this, passes::pack, 0, pack_backward);
    }
    if (p.backward_parameters) {
      backward_weights = convolution.backward_weights(any);
      const layout gradient = backward_weights.layout_of(onednn::weights_gradient);
      unpack_gradient = onednn::primitive::reorder(gradient, plain, {.adds_to_destination = p.accumulates_parameters});
      gradient_bytes = gradient.bytes();
      for (const onednn::primitive* each : {&backward_weights, &unpack_gradient})
        reserve_scratch(*this, passes::backward_parameters, gradient_bytes, *each);
    }
    pixels = {a.out, out.elements(p.batch) / a.out};
    need_scratch(passes::forward | passes::backward_parameters, pixels.scratch_bytes());
  }
};

struct conv_transpose2d_kernels {
  /// The packed weights of each direction.
  static constexpr std::size_t forward_weights = 0, backward_weights = 1;

  static std::unique_ptr<prepared> prepare(const preparation& p) {
    return std::make_unique<prepared_conv_transpose2d>(p);
  }

  static void pack(const pack_pass& pass) {
    const auto& state = pass.prepared_as<prepared_conv_transpose2d>();
    const onednn::primitive& reorder = pass.copy() == forward_weights ? state.pack_forward : state.pack_backward;
    reorder.execute(pass.scratch(), {{onednn::source, pass.parameter(0).data()}, {onednn::result, pass.packed()}});
  }

  static void forward(const forward_pass& pass) {
    const auto& state = pass.prepared_as<prepared_conv_transpose2d>();
    float* const y = pass.output().data();
    state.forward.execute(pass.scratch(), {{onednn::result_gradient, pass.input().data()},
                                           {onednn::weights, pass.packed(forward_weights)},
                                           {onednn::source_gradient, y}});
    const bool has_bias = pass.attributes<conv_transpose2d_attributes>().has_bias;
    const bool acts = pass.activation_after() == activation::relu;
    if (!has_bias && !acts) return;
    channel_pass pixels(state.pixels, pass.scratch(), y, nullptr, acts);
    set_identity(pixels);
    if (has_bias) pixels.set(coefficient::shift, [b = pass.parameter(1)](std::size_t c) { return b[c]; });
    pixels.run(channel_loop::scale, y);
  }

  static void backward_input(const backward_pass& pass) {
    const auto& state = pass.prepared_as<prepared_conv_transpose2d>();
    state.backward_input.execute(pass.scratch(), {{onednn::source, pass.output_gradient().data()},
                                                  {onednn::weights, pass.packed(backward_weights)},
                                                  {onednn::result, pass.input_gradient().data()}});
  }

  static void backward_parameters(const backward_pass& pass) {
    const auto& state = pass.prepared_as<prepared_conv_transpose2d>();
    const float* const dy = pass.output_gradient().data();
    std::byte* const primitives = pass.scratch() + aligned(state.gradient_bytes);
    state.backward_weights.execute(primitives, {{onednn::source, dy},
                                                {onednn::result_gradient, pass.input().data()},
                                                {onednn::weights_gradient, pass.scratch()}});
    state.unpack_gradient.execute(
        primitives, {{onednn::source, pass.scratch()}, {onednn::result, pass.parameter_gradient(0).data()}});
    if (!pass.attributes<conv_transpose2d_attributes>().has_bias) return;
    channel_pass pixels(state.pixels, pass.scratch(), dy, dy, false);
    set_identity(pixels);
    pixels.sum_up(channel_loop::gradient_sums);
    pass.parameter_gradient(1).assign([sum = pixels.sum(0)](std::size_t c) { return static_cast<float>(sum[c]); });
  }

 private:
  static void set_identity(channel_pass& pixels) {
    pixels.set(coefficient::mean, [](std::size_t) { return 0.0f; });
    pixels.set(coefficient::scale, [](std::size_t) { return 1.0f; });
    pixels.set(coefficient::shift, [](std::size_t) { return 0.0f; });
  }
};

template <std::size_t In, std::size_t Out, std::size_t K, std::size_t Stride, std::size_t OutputPadding>
struct conv_transpose2d_sizes {
  static constexpr bool holds = true;
  static_assert(In > 0 && Out > 0 && K > 0 && Stride > 0,
                "remat: a transposed convolution has at least one input channel, output channel, kernel element and "
                "step; give it more");
  static_assert(Stride == 0 || OutputPadding < Stride,
                "remat: a transposed convolution's output padding is smaller than its step; make it smaller");
};

}  // namespace detail

/// PyTorch's `ConvTranspose2d(In, Out, K, Stride, Padding, OutputPadding)`; takes images (In, H, W).
template <std::size_t In, std::size_t Out, std::size_t K, std::size_t Stride = 1, std::size_t Padding = 0,
          std::size_t OutputPadding = 0, bias Bias = bias::with>
struct conv_transpose2d : module {
  static_assert(detail::conv_transpose2d_sizes<In, Out, K, Stride, OutputPadding>::holds);

  static constexpr std::string_view kind = "conv_transpose2d";
  template <std::size_t H, std::size_t W>
    requires((H - 1) * Stride + K + OutputPadding > 2 * Padding && (W - 1) * Stride + K + OutputPadding > 2 * Padding)
  static image<float, Out, (H - 1) * Stride + K + OutputPadding - 2 * Padding,
               (W - 1) * Stride + K + OutputPadding - 2 * Padding>
      output(image<float, In, H, W>);
  static constexpr reads backward_parameters_reads = reads::inputs;
  static constexpr traits is{.fuses = {activation::relu}};
  static constexpr double flops(tensor_shapes inputs, tensor_shapes) {
    return 2.0 * static_cast<double>(inputs[0].elements()) * Out * K * K;
  }

  static constexpr auto parameters = [] {
    const parameter weight("weight", {In, Out, K, K}, initial::uniform_fan_in(Out * K * K));
    if constexpr (Bias == bias::with)
      return std::array{weight, parameter("bias", {Out}, initial::uniform_fan_in(Out * K * K))};
    else
      return std::array{weight};
  }();

  static constexpr detail::conv_transpose2d_attributes attributes{
      In, Out, K, Stride, Padding, OutputPadding, Bias == bias::with};
  using kernels = detail::conv_transpose2d_kernels;
};

}  // namespace remat::nn

REMAT_COMPILED_KERNELS(detail::conv_transpose2d_kernels)
