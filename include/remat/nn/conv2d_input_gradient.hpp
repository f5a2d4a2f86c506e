// SPDX-License-Identifier: MIT
/// The gradient of a convolution's input, written or added to what is there.
///
/// | stride, kernel         | is                                           | adds                                       |
/// |------------------------|----------------------------------------------|--------------------------------------------|
/// | 1                      | a convolution of dy with the weights turned  | by itself; after a kernel of 1 x 1 like    |
/// |                        | around and their channels exchanged: up to a | the others                                 |
/// |                        | third faster than oneDNN's backward          |                                            |
/// | more, or a border that | oneDNN's backward                            | some samples at a time, by way of scratch  |
/// | is wider than a kernel |                                              |                                            |
///
/// Without addition and where the channels do not fill vectors, oneDNN's backward is the faster one at any stride.
#pragma once

#include <remat/core/module.hpp>
#include <remat/nn/conv2d_weights.hpp>
#include <remat/nn/copy_numbers.hpp>
#include <remat/nn/packed_windows.hpp>
#include <remat/nn/samples_in_cache.hpp>
#include <remat/nn/scratch.hpp>
#include <remat/nn/window.hpp>

#include <cstddef>

namespace remat::nn::detail {

class conv2d_input_gradient {
 public:
  conv2d_input_gradient() = default;
  explicit conv2d_input_gradient(const preparation& p)
      : attributes_(p.attributes<conv2d_attributes>()), factors_(p.compute) {
    const auto& a = attributes_;
    constexpr std::size_t vector = 16;
    const extents after_first = reach(a.kernel, a.over.dilation);
    const bool is_turned =
        a.over.stride == 1 && a.over.padding.height <= after_first.height && a.over.padding.width <= after_first.width;
    make(p, is_turned && (p.accumulates_input || a.in % vector == 0));
    if (!packing) make(p, false);  // oneDNN has taken a layout that cannot be turned around
  }

  onednn::primitive product, rest;
  packed_windows packing;
  std::size_t packed_bytes = 0;

  void reserve(prepared& state) const {
    reserve_scratch(state, passes::backward_input, temporary_ + rounded_, product);
    if (rest) reserve_scratch(state, passes::backward_input, temporary_ + rounded_, rest);
    packing.reserve(state);
  }

  void pack(const float* weights, std::byte* packed, std::byte* scratch) const {
    packing.execute(weights, packed, scratch);
  }

  void run(const backward_pass& pass, const std::byte* packed) const {
    const numbers dx = pass.input_gradient_numbers();
    const const_numbers dy = pass.output_gradient_numbers();
    const std::size_t batch = pass.batch(), x_size = pass.input_shape().elements(),
                      y_size = pass.output_shape().elements();
    for (std::size_t first = 0; first < batch; first += chunk_) {
      const std::size_t samples = batch - first < chunk_ ? batch - first : chunk_;
      std::byte* const to = dx.data + first * x_size * size_of(dx.type);
      std::byte* const written = temporary_ > 0 ? pass.scratch() : to;
      const std::byte* const factors =
          factors_of(part_of(dy, first * y_size, samples * y_size), factors_, pass.scratch() + temporary_);
      (samples < chunk_ ? rest : product)
          .execute(pass.scratch() + temporary_ + rounded_,
                   {{is_forward_ ? onednn::source : onednn::result_gradient, factors},
                    {onednn::weights, packed},
                    {is_forward_ ? onednn::result : onednn::source_gradient, written}});
      if (temporary_ > 0)
        copy_numbers({written, samples * x_size, written_}, {to, samples * x_size, dx.type, dx.accumulates});
    }
  }

 private:
  void make(const preparation& p, bool is_forward) {
    const auto& a = attributes_;
    is_forward_ = is_forward;
    const bool adds = is_forward_ && p.accumulates_input && a.kernel.area() > 1;
    chunk_ = p.batch;
    temporary_ = 0;
    written_ = p.input_gradient_type();
    if (p.accumulates_input && !adds) {
      const std::size_t sample = p.inputs[0].elements() * size_of(written_);
      chunk_ = samples_in_cache(p.batch, sample);
      temporary_ = aligned(chunk_ * sample);
    }
    rounded_ = p.output_gradient_type() != factors_ ? aligned(chunk_ * p.outputs[0].elements() * size_of(factors_)) : 0;
    product = of_samples(
        p, chunk_, weights_layout(a, is_forward_ ? a.out : a.in, is_forward_ ? a.in : a.out, true).of(factors_), adds);
    const onednn::layout packed = product.layout_of(onednn::weights);
    rest = p.batch % chunk_ != 0 ? of_samples(p, p.batch % chunk_, packed, adds) : onednn::primitive();
    packing = {a, packed, is_forward_};
    packed_bytes = packed.bytes();
  }

  onednn::primitive of_samples(const preparation& p, std::size_t samples, const onednn::layout& weights,
                               bool adds) const {
    const auto& a = attributes_;
    const tensor_shape &in = p.inputs[0], &out = p.outputs[0];
    const onednn::layout x = onednn::layout::channels_last({samples, a.in, in.height(), in.width()}).of(written_);
    const onednn::layout y = onednn::layout::channels_last({samples, a.out, out.height(), out.width()}).of(factors_);
    extents padding = a.over.padding;
    if (is_forward_) {
      const extents after_first = reach(a.kernel, a.over.dilation);
      padding = {after_first.height - padding.height, after_first.width - padding.width};
    }
    const onednn::window window(a.kernel, a.over.stride, padding, onednn::window::of(padding), a.over.dilation);
    if (is_forward_) return onednn::convolution{y, weights, nullptr, x, window}.forward({.adds_to_destination = adds});
    return onednn::convolution{x, weights, nullptr, y, window}.backward_input();
  }

  conv2d_attributes attributes_{};
  element factors_ = element::float32;
  element written_ = element::float32;  ///< what the product writes
  bool is_forward_ = false;
  std::size_t chunk_ = 0;           ///< samples at a time
  std::size_t temporary_ = 0;       ///< bytes of a chunk in scratch, where it is added from there
  std::size_t rounded_ = 0;         ///< and of its output's gradient after these, where that is rounded
};

}  // namespace remat::nn::detail
