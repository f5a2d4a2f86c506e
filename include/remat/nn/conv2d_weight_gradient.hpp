// SPDX-License-Identifier: MIT
/// The gradients of a convolution's weights and bias, in one of three ways:
///
///     taps        a product for each element of the kernel, where that is faster (tap_products.hpp)
///     depthwise   a loop of ours, where oneDNN has no kernel for depthwise weights (depthwise_weight_gradient.hpp)
///     chunks      oneDNN's backward, of some samples at a time
///
/// oneDNN writes the gradient of a chunk into scratch, in a layout of its own. From there the weights' is written in
/// PyTorch's, or added to what is there.
#pragma once

#include <remat/core/module.hpp>
#include <remat/nn/conv2d_weights.hpp>
#include <remat/nn/copy_numbers.hpp>
#include <remat/nn/depthwise_weight_gradient.hpp>
#include <remat/nn/samples_in_cache.hpp>
#include <remat/nn/scratch.hpp>
#include <remat/nn/sum_rows.hpp>
#include <remat/nn/tap_products.hpp>

#include <cstddef>
#include <utility>

namespace remat::nn::detail {

/// How many samples the weight gradient takes at a time. oneDNN reads them once for each block of channels; where a
/// chunk stays in the cache meanwhile, the product gains 5 to 10 %. With large weights, adding up the chunks' gradients
/// would cost more.
inline std::size_t samples_at_a_time(std::size_t batch, std::size_t bytes_of_a_sample, std::size_t bytes_of_weights) {
  constexpr std::size_t cached = 2 << 20, small = 256 << 10;
  return bytes_of_weights > small ? batch : samples_in_cache(batch, bytes_of_a_sample, cached);
}

class conv2d_weight_gradient {
 public:
  conv2d_weight_gradient() = default;
  explicit conv2d_weight_gradient(const preparation& p)
      : attributes_(p.attributes<conv2d_attributes>()), factors_(p.compute) {
    if (!prepare_taps(p) && !prepare_depthwise(p)) prepare_chunks(p);
  }

  onednn::primitive product, rest, unpacking;

  void reserve(prepared& state) const {
    state.need_scratch(passes::backward_parameters, own_bytes_);
    for (const onednn::primitive* each : {&product, &rest, &unpacking})
      if (*each) reserve_scratch(state, passes::backward_parameters, own_bytes_, *each);
  }

  void run(const backward_pass& pass) const {
    const const_numbers dy = pass.output_gradient_numbers();
    if (attributes_.has_bias && (taps_ || depthwise_))
      sum_rows(dy, dy.size / attributes_.out, attributes_.out, pass.parameter_gradient(1));
    if (depthwise_) return depthwise_.execute(pass.input_numbers(), dy, pass.parameter_gradient(0), pass.scratch());
    if (taps_) return taps_.execute(pass.input_numbers(), dy, pass.parameter_gradient(0), pass.scratch());
    float* const sum = reinterpret_cast<float*>(pass.scratch());
    add_chunks(pass, sum);
    unpacking.execute(pass.scratch() + own_bytes_,
                      {{onednn::source, sum}, {onednn::result, pass.parameter_gradient(0).data()}});
  }

 private:
  static extents size_of_image(const tensor_shape& s) { return {s.height(), s.width()}; }

  /// Each says whether this is the way.
  bool prepare_taps(const preparation& p) {
    const auto& a = attributes_;
    const extents y = size_of_image(p.outputs[0]);
    tap_products taps(a, size_of_image(p.inputs[0]), y, p.batch, factors_);
    if (!multiplies_taps(a, taps.share(), p.batch * y.area(), factors_)) return false;
    taps_ = std::move(taps);
    taps_.prepare();
    own_bytes_ = taps_.scratch_bytes();
    return true;
  }
  bool prepare_depthwise(const preparation& p) {
    const auto& a = attributes_;
    if (!is_depthwise(a.in, a.out, a.over.groups)) return false;
    const onednn::primitive of_one = of_samples(p, 1, weights_layout(a, a.in, a.out, true));
    if (of_one.implementation().starts_with("jit_dw")) return false;
    depthwise_ = {a, size_of_image(p.inputs[0]), size_of_image(p.outputs[0]), p.batch};
    own_bytes_ = depthwise_.scratch_bytes();
    return true;
  }
  void prepare_chunks(const preparation& p) {
    const auto& a = attributes_;
    const tensor_shape &in = p.inputs[0], &out = p.outputs[0];
    chunk_ = samples_at_a_time(p.batch, (in.elements() + out.elements()) * sizeof(float),
                               weights_layout(a, a.in, a.out, false).bytes());
    product = of_samples(p, chunk_, weights_layout(a, a.in, a.out, true));
    const onednn::layout gradient = product.layout_of(onednn::weights_gradient);
    if (p.batch % chunk_ != 0) rest = of_samples(p, p.batch % chunk_, gradient);
    gradient_bytes_ = aligned(gradient.bytes());
    unpacking = onednn::primitive::reorder(gradient, weights_layout(a, a.in, a.out, false),
                                           {.adds_to_destination = p.accumulates_parameters});
    const std::size_t with_bias = gradient_bytes_ + (a.has_bias ? aligned(a.out * sizeof(float)) : 0);
    part_at_ = chunk_ < p.batch ? with_bias : 0;
    rounded_at_ = with_bias + part_at_;
    const bool rounds = p.output_gradient_type() != factors_;
    own_bytes_ = rounded_at_ + (rounds ? aligned(chunk_ * out.elements() * size_of(factors_)) : 0);
  }

  onednn::primitive of_samples(const preparation& p, std::size_t samples, const onednn::layout& gradient) const {
    using onednn::layout;
    const auto& a = attributes_;
    const tensor_shape &in = p.inputs[0], &out = p.outputs[0];
    const layout x = layout::channels_last({samples, a.in, in.height(), in.width()}).of(factors_),
                 y = layout::channels_last({samples, a.out, out.height(), out.width()}).of(factors_),
                 any = weights_layout(a, a.in, a.out, true).of(factors_), b = layout::row_major({a.out});
    const onednn::window window(a.kernel, a.over.stride, a.over.padding, onednn::window::of(a.over.padding),
                                a.over.dilation);
    return onednn::convolution{x, any, a.has_bias ? &b : nullptr, y, window}.backward_weights(gradient);
  }

  /// The sums of all chunks, of the weights and then of the bias; the bias's is written to where it belongs.
  void add_chunks(const backward_pass& pass, float* sum) const {
    const std::size_t batch = pass.batch(), x_size = pass.input_shape().elements(),
                      y_size = pass.output_shape().elements();
    const bool has_bias = attributes_.has_bias;
    for (std::size_t first = 0; first < batch; first += chunk_) {
      float* const part = first == 0 ? sum : reinterpret_cast<float*>(pass.scratch() + part_at_);
      const std::size_t samples = batch - first < chunk_ ? batch - first : chunk_;
      const onednn::primitive& gradient = samples < chunk_ ? rest : product;
      const std::byte* const of_y =
          factors_of(part_of(pass.output_gradient_numbers(), first * y_size, samples * y_size), factors_,
                     pass.scratch() + rounded_at_);
      const onednn::primitive::argument src{onednn::source,
                                            part_of(pass.input_numbers(), first * x_size, samples * x_size).data},
          dy{onednn::result_gradient, of_y}, dw{onednn::weights_gradient, part};
      std::byte* const scratch = pass.scratch() + own_bytes_;
      if (has_bias)
        gradient.execute(scratch,
                         {src, dy, dw, {onednn::bias_gradient, reinterpret_cast<std::byte*>(part) + gradient_bytes_}});
      else
        gradient.execute(scratch, {src, dy, dw});
      if (first > 0) accumulate(part, {sum, part_at_ / sizeof(float), true});
    }
    if (!has_bias) return;
    const float* const bias_sum = reinterpret_cast<const float*>(pass.scratch() + gradient_bytes_);
    const destination db = pass.parameter_gradient(1);
    db.assign([=](std::size_t i) { return bias_sum[i]; });
  }

  conv2d_attributes attributes_{};
  element factors_ = element::float32;
  tap_products taps_;
  depthwise_weight_gradient depthwise_;
  std::size_t chunk_ = 0;           ///< samples at a time
  std::size_t gradient_bytes_ = 0;  ///< of the weights, in scratch before that of the bias
  std::size_t part_at_ = 0;         ///< of a chunk's gradients, after the sums of those before it
  std::size_t rounded_at_ = 0;      ///< of a chunk's gradient of the output, where it is rounded
  std::size_t own_bytes_ = 0;       ///< before what primitives ask for
};

}  // namespace remat::nn::detail
