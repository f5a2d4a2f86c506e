// SPDX-License-Identifier: MIT
/// Two-dimensional transposed convolution, channels-last: what a convolution's backward does, forward.
///
///     forward               y = x transposed-convolved with W, + b   x (N, H, W, In), W (In, Out, KH, KW)
///                                                                    y (N, H', W', Out)
///     backward, parameters  dW, db                                   reads the input
///     backward, input       dx = dy convolved with W                 reads weights only
///
/// H' = (H - 1) stride - 2 padding + dilation (KH - 1) + output_padding + 1, likewise W'. (PyTorch also takes an output
/// padding of the stride and more, below the dilation.) With groups, W is
/// (In, Out / groups, KH, KW). Forward is oneDNN's backward of the convolution from y to x, and backward its forward.
/// Weights are packed as those of conv2d are.
#pragma once

#include <remat/core/module.hpp>
#include <remat/nn/bias.hpp>
#include <remat/nn/channel_pass.hpp>
#include <remat/nn/conv2d_weights.hpp>
#include <remat/nn/copy_numbers.hpp>
#include <remat/nn/prepared_conv_transpose2d.hpp>
#include <remat/nn/weight_and_bias.hpp>
#include <remat/nn/window.hpp>

#include <cstddef>
#include <memory>
#include <string_view>

namespace remat::nn {
namespace detail {

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
    const bool has_bias = pass.attributes<conv2d_attributes>().has_bias;
    const bool acts = pass.activation_after() == activation::relu;
    const std::size_t batch = pass.batch(), x_size = pass.input_shape().elements(),
                      y_size = pass.output_shape().elements();
    std::byte* const primitives = pass.scratch() + state.product_at + state.product_bytes;
    for (std::size_t first = 0; first < batch; first += state.chunk) {
      const bool is_whole = batch - first >= state.chunk;
      const std::size_t samples = is_whole ? state.chunk : batch - first;
      const numbers y = part_of(pass.output_numbers(), first * y_size, samples * y_size);
      std::byte* const product = state.product_bytes > 0 ? pass.scratch() + state.product_at : y.data;
      (is_whole ? state.forward : state.forward_rest)
          .execute(primitives,
                   {{onednn::result_gradient, part_of(pass.input_numbers(), first * x_size, samples * x_size).data},
                    {onednn::weights, pass.packed(forward_weights)},
                    {onednn::source_gradient, product}});
      if (!has_bias && !acts) continue;
      channel_pass pixels(is_whole ? state.of_chunk : state.rest, pass.scratch(),
                          {product, y.size, state.product_bytes > 0 ? element::float32 : y.type}, {}, acts);
      set_identity(pixels);
      if (has_bias) pixels.set(coefficient::shift, [b = pass.parameter(1)](std::size_t c) { return b[c]; });
      pixels.run(channel_loop::scale, y);
    }
  }

  static void backward_input(const backward_pass& pass) {
    const auto& state = pass.prepared_as<prepared_conv_transpose2d>();
    const std::byte* const dy = factors_of(pass.output_gradient_numbers(), state.factors, pass.scratch());
    state.backward_input.execute(pass.scratch() + state.rounded_bytes,
                                 {{onednn::source, dy},
                                  {onednn::weights, pass.packed(backward_weights)},
                                  {onednn::result, pass.input_gradient_numbers().data}});
  }

  static void backward_parameters(const backward_pass& pass) {
    const auto& state = pass.prepared_as<prepared_conv_transpose2d>();
    const const_numbers dy = pass.output_gradient_numbers();
    std::byte* const rounded = pass.scratch() + state.gradient_bytes;
    std::byte* const primitives = rounded + state.rounded_bytes;
    state.backward_weights.execute(primitives, {{onednn::source, factors_of(dy, state.factors, rounded)},
                                                {onednn::result_gradient, pass.input_numbers().data},
                                                {onednn::weights_gradient, pass.scratch()}});
    state.unpack_gradient.execute(
        primitives, {{onednn::source, pass.scratch()}, {onednn::result, pass.parameter_gradient(0).data()}});
    if (!pass.attributes<conv2d_attributes>().has_bias) return;
    channel_pass pixels(state.all, pass.scratch(), dy, dy, false);
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

template <std::size_t In, std::size_t Out, extents Kernel, window Over>
struct conv_transpose2d_sizes {
  static constexpr bool holds = true;
  static_assert(In > 0 && Out > 0 && Kernel.are_at_least(1) && Over.stride.are_at_least(1) &&
                    Over.dilation.are_at_least(1),
                "remat: a transposed convolution has at least one input channel, output channel, kernel element, step "
                "and dilation; give it more");
  static_assert(Over.padding.are_at_least(0) && Over.output_padding.are_at_least(0),
                "remat: a transposed convolution's paddings are at least 0; give it such numbers");
  static_assert(groups_divide(In, Over) && groups_divide(Out, Over),
                "remat: a transposed convolution's groups divide its input channels and its output channels; give it "
                "such a number of groups");
  static_assert(Over.output_padding.height < Over.stride.height && Over.output_padding.width < Over.stride.width,
                "remat: a transposed convolution's output padding is smaller than its step; make it smaller");
};

}  // namespace detail

/// PyTorch's `ConvTranspose2d(In, Out, Kernel, stride, padding, output_padding, groups, dilation)`; takes images
/// (In, H, W). The kernel is one number or `extents{3, 5}`; all else is in the `window`.
template <std::size_t In, std::size_t Out, extents Kernel, window Over = window{}, bias Bias = bias::with>
struct conv_transpose2d : module {
 private:
  static constexpr window over = detail::with_stride(Over, 1);
  static_assert(detail::conv_transpose2d_sizes<In, Out, Kernel, over>::holds);
  static constexpr std::size_t fan_in = detail::per_group(Out, over) * Kernel.area();

 public:
  static constexpr std::string_view kind = "conv_transpose2d";
  template <std::size_t H, std::size_t W>
    requires(detail::transposed_with_padding({H, W}, Kernel, over).height > 2 * over.padding.height &&
             detail::transposed_with_padding({H, W}, Kernel, over).width > 2 * over.padding.width)
  static image<float, Out, detail::transposed({H, W}, Kernel, over).height,
               detail::transposed({H, W}, Kernel, over).width>
      output(image<float, In, H, W>);
  static constexpr reads backward_parameters_reads = reads::inputs;
  static constexpr traits is{.fuses = {activation::relu},
                             .takes_bfloat16 = over.groups == 1,  // as conv2d.hpp says; weight gradients of depthwise ones, too
                             .gives_bfloat16 = over.groups == 1,
                             .multiplies_bfloat16 = over.groups == 1,
                             .computes_samples_apart = true};
  static constexpr double flops(tensor_shapes inputs, tensor_shapes) {
    return 2.0 * static_cast<double>(inputs[0].elements()) * fan_in;
  }

  static constexpr auto parameters = detail::weight_and_bias<Bias>(
      {In, detail::per_group(Out, over), Kernel.height, Kernel.width}, Out, fan_in);

  static constexpr detail::conv2d_attributes attributes{In, Out, Kernel, over, Bias == bias::with};
  using kernels = detail::conv_transpose2d_kernels;
};

}  // namespace remat::nn

REMAT_COMPILED_KERNELS(detail::conv_transpose2d_kernels)
