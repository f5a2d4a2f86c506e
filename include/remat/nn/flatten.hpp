// SPDX-License-Identifier: MIT
/// One row of features from a sample of any shape, in PyTorch's order: an image is read as (C, H, W), although it is
/// in memory channels-last; a tensor is in the order of its row already. Backward reads nothing.
#pragma once

#include <remat/core/module.hpp>
#include <remat/nn/scratch.hpp>

#include <cstddef>
#include <memory>
#include <string_view>

namespace remat::nn {
namespace detail {

struct prepared_flatten : prepared {
  onednn::primitive forward, backward;

  explicit prepared_flatten(const preparation& p) {
    using onednn::layout;
    const tensor_shape& in = p.inputs[0];
    const bool is_image = in.is_image();
    const std::size_t channels = is_image ? in.channels() : 1, pixels = in.elements() / channels;
    const layout image = layout::channels_last({p.batch, channels, pixels, 1}),
                 row = layout::row_major({p.batch, channels, pixels, 1});
    forward = onednn::primitive::reorder(image.of(in.type), row.of(p.outputs[0].type));
    reserve_scratch(*this, 0, forward);
    if (!p.backward_input) return;
    backward = onednn::primitive::reorder(row.of(p.output_gradient_type()), image.of(p.input_gradient_type()),
                                          {.adds_to_destination = p.accumulates_input});
    reserve_scratch(*this, 0, backward);
  }
};

struct flatten_kernels {
  static std::unique_ptr<prepared> prepare(const preparation& p) { return std::make_unique<prepared_flatten>(p); }

  static void forward(const forward_pass& pass) {
    const std::byte* const x = pass.input_numbers().data;
    std::byte* const y = pass.output_numbers().data;
    if (x == y) return;  // in place: the order is the same
    pass.prepared_as<prepared_flatten>().forward.execute(pass.scratch(), {{onednn::source, x}, {onednn::result, y}});
  }
  static void backward_input(const backward_pass& pass) {
    const std::byte* const dy = pass.output_gradient_numbers().data;
    std::byte* const dx = pass.input_gradient_numbers().data;
    if (dx == dy) return;
    pass.prepared_as<prepared_flatten>().backward.execute(pass.scratch(), {{onednn::source, dy}, {onednn::result, dx}});
  }
};

}  // namespace detail

struct flatten : module {
  static constexpr std::string_view kind = "flatten";
  template <std::size_t... Extents>
  static tensor<float, (Extents * ... * 1)> output(tensor<float, Extents...>);
  template <std::size_t C, std::size_t H, std::size_t W>
  static tensor<float, C * H * W> output(image<float, C, H, W>);

  template <class X>
  static constexpr traits is(X) {
    return {.in_place = shape_of<X>::value.is_in_order(), .takes_bfloat16 = true, .gives_bfloat16 = true};
  }

  using kernels = detail::flatten_kernels;
};

}  // namespace remat::nn

REMAT_COMPILED_KERNELS(detail::flatten_kernels)
