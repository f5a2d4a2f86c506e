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
#include <remat/nn/samples_in_cache.hpp>
#include <remat/nn/scratch.hpp>
#include <remat/nn/weight_and_bias.hpp>
#include <remat/nn/window.hpp>

#include <cstddef>
#include <memory>
#include <string_view>

namespace remat::nn {
namespace detail {

struct prepared_conv_transpose2d : prepared {
  onednn::primitive forward, forward_rest, backward_input, backward_weights;
  onednn::primitive pack_forward, pack_backward, unpack_gradient;
  element factors;                 ///< of its products
  std::size_t chunk;               ///< samples that forward takes at a time
  channel_geometry all;            ///< pixels of the output of the batch
  channel_geometry of_chunk;       ///< of a chunk's
  channel_geometry rest;           ///< and of those that are left of the batch
  std::size_t product_at = 0;      ///< of a chunk's output in scratch, where that is rounded after its bias
  std::size_t product_bytes = 0;   ///< of it; none: the product is written to the output
  std::size_t gradient_bytes = 0;  ///< of the weights' gradient in scratch
  std::size_t rounded_bytes = 0;   ///< of the output's gradient in scratch, where products read it rounded

  explicit prepared_conv_transpose2d(const preparation& p) : factors(p.compute), chunk(p.batch) {
    using onednn::layout;
    const auto& a = p.attributes<conv2d_attributes>();
    const tensor_shape &in = p.inputs[0], &out = p.outputs[0];
    const layout any = weights_layout(a, a.out, a.in, true), plain = weights_layout(a, a.out, a.in, false);
    onednn::window::pair after = onednn::window::of(a.over.padding);  // without the rows of y that are no window's
    for (std::size_t i = 0; i < after.size(); ++i) after[i] -= onednn::window::of(a.over.output_padding)[i];
    const onednn::window window(a.kernel, a.over.stride, a.over.padding, after, a.over.dilation);
    // f(the convolution from y to x of some samples)
    const auto of_samples = [&](std::size_t samples, element of_y, const layout& w, element of_x, const auto& f) {
      const layout x = layout::channels_last({samples, a.in, in.height(), in.width()}).of(of_x);
      const layout y = layout::channels_last({samples, a.out, out.height(), out.width()}).of(of_y);
      return f(onednn::convolution{y, w, nullptr, x, window});
    };

    all = {a.out, out.elements(p.batch) / a.out};
    need_scratch(passes::forward | passes::backward_parameters, all.scratch_bytes());
    const bool finishes = a.has_bias || p.activation_after != activation::none;
    if (finishes && out.type != element::float32) {
      const std::size_t sample = out.elements() * sizeof(float);
      chunk = samples_in_cache(p.batch, sample);
      product_at = aligned(all.scratch_bytes());
      product_bytes = aligned(chunk * sample);
    }
    of_chunk = {a.out, out.elements(chunk) / a.out};
    rest = {a.out, out.elements(p.batch % chunk) / a.out};
    const auto forward_of = [&](std::size_t samples, const layout& w) {
      return of_samples(samples, product_bytes > 0 ? element::float32 : out.type, w, factors,
                        [](const auto& c) { return c.backward_input(); });
    };
    forward = forward_of(chunk, any.of(factors));
    const layout weights = forward.layout_of(onednn::weights);
    if (p.batch % chunk != 0) forward_rest = forward_of(p.batch % chunk, weights);
    pack_forward = onednn::primitive::reorder(plain, weights);
    packed.push_back({weights.bytes(), passes::forward});
    for (const onednn::primitive* each : {&forward, &forward_rest})
      if (*each) reserve_scratch(*this, passes::forward, product_at + product_bytes, *each);
    reserve_scratch(*this, passes::pack, 0, pack_forward);

    if (p.output_gradient_type() != factors) rounded_bytes = aligned(out.elements(p.batch) * size_of(factors));
    if (p.backward_input) {
      backward_input = of_samples(p.batch, factors, any.of(factors), p.input_gradient_type(), [&](const auto& c) {
        return c.forward({.adds_to_destination = p.accumulates_input});
      });
      const layout weights_backward = backward_input.layout_of(onednn::weights);
      pack_backward = onednn::primitive::reorder(plain, weights_backward);
      packed.push_back({weights_backward.bytes(), passes::backward_input});
      reserve_scratch(*this, passes::backward_input, rounded_bytes, backward_input);
      reserve_scratch(*this, passes::pack, 0, pack_backward);
    }
    if (p.backward_parameters) {
      const layout chosen = any.of(element::float32);
      backward_weights = of_samples(p.batch, factors, any.of(factors), factors,
                                    [&](const auto& c) { return c.backward_weights(chosen); });
      const layout gradient = backward_weights.layout_of(onednn::weights_gradient);
      unpack_gradient = onednn::primitive::reorder(gradient, plain, {.adds_to_destination = p.accumulates_parameters});
      gradient_bytes = aligned(gradient.bytes());
      for (const onednn::primitive* each : {&backward_weights, &unpack_gradient})
        reserve_scratch(*this, passes::backward_parameters, gradient_bytes + rounded_bytes, *each);
    }
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
                             .takes_bfloat16 = over.groups == 1,  // oneDNN 2.6 has not all sizes of groups
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
