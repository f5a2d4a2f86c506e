// SPDX-License-Identifier: MIT
/// Two-dimensional convolution, channels-last.
///
///     forward               y = x * W + b       x (N, H, W, In), W (Out, In, KH, KW), y (N, H', W', Out)
///     backward, parameters  dW, db              reads the input
///     backward, input       dx                  reads weights only
///
/// H' = (H + 2 padding - dilation (KH - 1) - 1) / stride + 1, likewise W'. With groups, W is (Out, In / groups, KH,
/// KW), and the channels of a group see no others; `conv2d<C, C, 3, window{.padding = 1, .groups = C}>` is depthwise.
/// Weights are packed into the layouts that oneDNN chooses for forward and for backward; their gradient comes back in
/// PyTorch's. A convolution whose windows are the pixels themselves is a linear layer of their channels (linear.hpp),
/// and multiplies as one.
#pragma once

#include <remat/core/module.hpp>
#include <remat/nn/bias.hpp>
#include <remat/nn/conv2d_input_gradient.hpp>
#include <remat/nn/conv2d_weight_gradient.hpp>
#include <remat/nn/conv2d_weights.hpp>
#include <remat/nn/fused_relu.hpp>
#include <remat/nn/linear.hpp>
#include <remat/nn/packed_windows.hpp>
#include <remat/nn/scratch.hpp>
#include <remat/nn/weight_and_bias.hpp>
#include <remat/nn/window.hpp>

#include <cstddef>
#include <memory>
#include <string_view>
#include <type_traits>

namespace remat::nn {
namespace detail {

struct prepared_conv2d : prepared {
  onednn::primitive forward;
  packed_windows packed_forward;
  conv2d_input_gradient backward_input;
  conv2d_weight_gradient backward_weights;
  fused_relu relu;

  explicit prepared_conv2d(const preparation& p) {
    using onednn::layout;
    const auto& a = p.attributes<conv2d_attributes>();
    const tensor_shape &in = p.inputs[0], &out = p.outputs[0];
    const nn::window& over = a.over;
    const layout x = layout::channels_last({p.batch, a.in, in.height(), in.width()}).of(p.compute),
                 y = layout::channels_last({p.batch, a.out, out.height(), out.width()}).of(out.type),
                 any = weights_layout(a, a.in, a.out, true).of(p.compute), b = layout::row_major({a.out});
    const onednn::window window(a.kernel, over.stride, over.padding, onednn::window::of(over.padding), over.dilation);

    relu = {p.activation_after,
            {p.batch, a.in, in.height(), in.width(), a.out, out.height(), out.width(), a.kernel, over}};
    forward = onednn::convolution{x, any, a.has_bias ? &b : nullptr, y, window}.forward({.after = relu.in_primitive()});
    const layout weights = forward.layout_of(onednn::weights);
    packed_forward = {a, weights, false};
    packed.push_back({weights.bytes(), passes::forward});
    reserve_scratch(*this, passes::forward, 0, forward);
    packed_forward.reserve(*this);
    if (p.backward_input) {
      backward_input = conv2d_input_gradient(p);
      packed.push_back({backward_input.packed_bytes, passes::backward_input});
      backward_input.reserve(*this);
    }
    if (p.backward_parameters) {
      backward_weights = conv2d_weight_gradient(p);
      backward_weights.reserve(*this);
    }
  }
};

struct conv2d_kernels {
  /// The packed weights of each direction.
  static constexpr std::size_t forward_weights = 0, backward_weights = 1;

  static std::unique_ptr<prepared> prepare(const preparation& p) { return std::make_unique<prepared_conv2d>(p); }

  static void pack(const pack_pass& pass) {
    const auto& state = pass.prepared_as<prepared_conv2d>();
    const float* const weight = pass.parameter(0).data();
    if (pass.copy() == forward_weights)
      state.packed_forward.execute(weight, pass.packed(), pass.scratch());
    else
      state.backward_input.pack(weight, pass.packed(), pass.scratch());
  }

  static void forward(const forward_pass& pass) {
    const auto& state = pass.prepared_as<prepared_conv2d>();
    const const_numbers x = pass.input_numbers();
    const float* const b = pass.attributes<conv2d_attributes>().has_bias ? pass.parameter(1).data() : nullptr;
    const numbers y = pass.output_numbers();
    const onednn::primitive::argument src{onednn::source, x.data},
        weights{onednn::weights, pass.packed(forward_weights)}, dst{onednn::result, y.data};
    if (b != nullptr)
      state.forward.execute(pass.scratch(), {src, weights, {onednn::bias, b}, dst});
    else
      state.forward.execute(pass.scratch(), {src, weights, dst});
    state.relu.finish(x, pass.parameter(0).data(), b, y);
  }

  static void backward_input(const backward_pass& pass) {
    pass.prepared_as<prepared_conv2d>().backward_input.run(pass, pass.packed(backward_weights));
  }

  static void backward_parameters(const backward_pass& pass) {
    pass.prepared_as<prepared_conv2d>().backward_weights.run(pass);
  }
};

template <std::size_t In, std::size_t Out, extents Kernel, window Over>
struct conv2d_sizes {
  static constexpr bool holds = true;
  static_assert(In > 0 && Out > 0 && Kernel.are_at_least(1) && Over.stride.are_at_least(1) &&
                    Over.dilation.are_at_least(1),
                "remat: a convolution has at least one input channel, output channel, kernel element, step and "
                "dilation; give it more");
  static_assert(Over.padding.are_at_least(0), "remat: a convolution's padding is at least 0; give it such a number");
  static_assert(groups_divide(In, Over) && groups_divide(Out, Over),
                "remat: a convolution's groups divide its input channels and its output channels; give it such a "
                "number of groups");
  static_assert(Over.output_padding == 0,
                "remat: only a transposed convolution has an output padding; leave it out, or use conv_transpose2d");
};

/// Whether factors may be of bfloat16. Not those of other groups: of some, oneDNN 2.6 reads and writes beyond its tensors.
constexpr bool multiplies_bfloat16(std::size_t in, std::size_t out, std::size_t groups) {
  return groups == 1 || is_depthwise(in, out, groups);
}

/// Whether each window is one pixel, of all channels, and each pixel is a window.
constexpr bool is_pointwise(const extents& kernel, const window& over) {
  return kernel == 1 && over.stride == 1 && over.padding == 0 && over.groups == 1;
}

}  // namespace detail

/// PyTorch's `Conv2d(In, Out, Kernel, stride, padding, dilation, groups)`; takes images (In, H, W). The kernel is one
/// number or `extents{3, 5}`; all else is in the `window`.
template <std::size_t In, std::size_t Out, extents Kernel, window Over = window{}, bias Bias = bias::with>
struct conv2d : module {
 private:
  static constexpr window over = detail::with_stride(Over, 1);
  static_assert(detail::conv2d_sizes<In, Out, Kernel, over>::holds);

 public:
  static constexpr std::size_t fan_in = detail::per_group(In, over) * Kernel.area();

  static constexpr std::string_view kind = "conv2d";
  template <std::size_t H, std::size_t W>
    requires(detail::holds_kernel({H, W}, Kernel, over))
  static image<float, Out, detail::places({H, W}, Kernel, over).height, detail::places({H, W}, Kernel, over).width>
      output(image<float, In, H, W>);
  static constexpr reads backward_parameters_reads = reads::inputs;
  static constexpr traits is{.fuses = {activation::relu, activation::tanh, activation::sigmoid},
                             .takes_bfloat16 = detail::multiplies_bfloat16(In, Out, over.groups),
                             .gives_bfloat16 = detail::multiplies_bfloat16(In, Out, over.groups),
                             .multiplies_bfloat16 = detail::multiplies_bfloat16(In, Out, over.groups),
                             .computes_samples_apart = true};
  static constexpr double flops(tensor_shapes, tensor_shapes outputs) {
    return 2.0 * static_cast<double>(outputs[0].elements()) * fan_in;
  }

  static constexpr auto parameters =
      detail::weight_and_bias<Bias>({Out, detail::per_group(In, over), Kernel.height, Kernel.width}, Out, fan_in);

  static constexpr auto attributes = [] {
    if constexpr (detail::is_pointwise(Kernel, over))
      return detail::linear_attributes{In, Out, Bias == bias::with};
    else
      return detail::conv2d_attributes{In, Out, Kernel, over, Bias == bias::with};
  }();
  using kernels =
      std::conditional_t<detail::is_pointwise(Kernel, over), detail::linear_kernels, detail::conv2d_kernels>;
};

}  // namespace remat::nn

REMAT_COMPILED_KERNELS(detail::conv2d_kernels)
