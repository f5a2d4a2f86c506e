// SPDX-License-Identifier: MIT
/// The primitives of a transposed convolution, and where they have their scratch.
#pragma once

#include <remat/core/alignment.hpp>
#include <remat/core/prepared.hpp>
#include <remat/nn/channel_pass.hpp>
#include <remat/nn/conv2d_weights.hpp>
#include <remat/nn/samples_in_cache.hpp>
#include <remat/nn/scratch.hpp>

#include <cstddef>

namespace remat::nn::detail {

/// The convolution from the output back to the input, whose passes are the transposed one's turned around.
struct turned_convolution {
  const conv2d_attributes& sizes;
  const tensor_shape &in, &out;
  onednn::layout any, plain;  ///< of the weights: as the primitive likes them, and as parameters are
  onednn::window window;

  explicit turned_convolution(const preparation& p)
      : sizes(p.attributes<conv2d_attributes>()),
        in(p.inputs[0]),
        out(p.outputs[0]),
        any(weights_layout(sizes, sizes.out, sizes.in, true)),
        plain(weights_layout(sizes, sizes.out, sizes.in, false)),
        window(window_of(sizes)) {}

  /// f(the convolution of some samples)
  template <class F>
  onednn::primitive of_samples(std::size_t samples, element of_y, const onednn::layout& w, element of_x,
                               const F& f) const {
    const auto x = onednn::layout::channels_last({samples, sizes.in, in.height(), in.width()}).of(of_x);
    const auto y = onednn::layout::channels_last({samples, sizes.out, out.height(), out.width()}).of(of_y);
    return f(onednn::convolution{y, w, nullptr, x, window});
  }

 private:
  static onednn::window window_of(const conv2d_attributes& a) {
    onednn::window::pair after = onednn::window::of(a.over.padding);  // without the rows of y that are no window's
    for (std::size_t i = 0; i < after.size(); ++i) after[i] -= onednn::window::of(a.over.output_padding)[i];
    return {a.kernel, a.over.stride, a.over.padding, after, a.over.dilation};
  }
};

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
    const turned_convolution turned(p);
    const tensor_shape& out = turned.out;
    all = {turned.sizes.out, out.elements(p.batch) / turned.sizes.out};
    need_scratch(passes::forward | passes::backward_parameters, all.scratch_bytes());
    choose_chunk(p, turned);
    prepare_forward(p, turned);
    if (p.output_gradient_type() != factors) rounded_bytes = aligned(out.elements(p.batch) * size_of(factors));
    if (p.backward_input) prepare_backward_input(p, turned);
    if (p.backward_parameters) prepare_backward_parameters(p, turned);
  }

 private:
  void choose_chunk(const preparation& p, const turned_convolution& turned) {
    const tensor_shape& out = turned.out;
    const std::size_t channels = turned.sizes.out;
    const bool finishes = turned.sizes.has_bias || p.activation_after != activation::none;
    if (finishes && out.type != element::float32) {
      const std::size_t sample = out.elements() * sizeof(float);
      chunk = samples_in_cache(p.batch, sample);
      product_at = aligned(all.scratch_bytes());
      product_bytes = aligned(chunk * sample);
    }
    of_chunk = {channels, out.elements(chunk) / channels};
    rest = {channels, out.elements(p.batch % chunk) / channels};
  }

  void prepare_forward(const preparation& p, const turned_convolution& turned) {
    const auto of_samples = [&](std::size_t samples, const onednn::layout& w) {
      return turned.of_samples(samples, product_bytes > 0 ? element::float32 : turned.out.type, w, factors,
                               [](const auto& c) { return c.backward_input(); });
    };
    forward = of_samples(chunk, turned.any.of(factors));
    const onednn::layout weights = forward.layout_of(onednn::weights);
    if (p.batch % chunk != 0) forward_rest = of_samples(p.batch % chunk, weights);
    pack_forward = onednn::primitive::reorder(turned.plain, weights);
    packed.push_back({weights.bytes(), passes::forward});
    for (const onednn::primitive* each : {&forward, &forward_rest})
      if (*each) reserve_scratch(*this, passes::forward, product_at + product_bytes, *each);
    reserve_scratch(*this, passes::pack, 0, pack_forward);
  }

  void prepare_backward_input(const preparation& p, const turned_convolution& turned) {
    backward_input =
        turned.of_samples(p.batch, factors, turned.any.of(factors), p.input_gradient_type(),
                          [&](const auto& c) { return c.forward({.adds_to_destination = p.accumulates_input}); });
    const onednn::layout weights = backward_input.layout_of(onednn::weights);
    pack_backward = onednn::primitive::reorder(turned.plain, weights);
    packed.push_back({weights.bytes(), passes::backward_input});
    reserve_scratch(*this, passes::backward_input, rounded_bytes, backward_input);
    reserve_scratch(*this, passes::pack, 0, pack_backward);
  }

  void prepare_backward_parameters(const preparation& p, const turned_convolution& turned) {
    const onednn::layout chosen = turned.any.of(element::float32);
    backward_weights = turned.of_samples(p.batch, factors, turned.any.of(factors), factors,
                                         [&](const auto& c) { return c.backward_weights(chosen); });
    const onednn::layout gradient = backward_weights.layout_of(onednn::weights_gradient);
    unpack_gradient =
        onednn::primitive::reorder(gradient, turned.plain, {.adds_to_destination = p.accumulates_parameters});
    gradient_bytes = aligned(gradient.bytes());
    for (const onednn::primitive* each : {&backward_weights, &unpack_gradient})
      reserve_scratch(*this, passes::backward_parameters, gradient_bytes + rounded_bytes, *each);
  }
};

}  // namespace remat::nn::detail
