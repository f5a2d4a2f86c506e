// SPDX-License-Identifier: MIT
/// Maximum over windows of K x K. Backward reads no activation, only the place of each maximum (one byte an output).
///
/// Behind a relu that is fused into the operation before it, the relu's mask is applied to this module's gradient,
/// where it is smaller; see plan/fuse.hpp.
#pragma once

#include <remat/core/error.hpp>
#include <remat/core/module.hpp>
#include <remat/core/parallel.hpp>
#include <remat/nn/max_pool_special.hpp>
#include <remat/nn/pooling_window.hpp>
#include <remat/nn/scratch.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <type_traits>

namespace remat::nn {
namespace detail {

/// Whether a byte holds each place in a window; oneDNN takes four otherwise.
constexpr bool places_are_bytes(std::size_t kernel) { return kernel * kernel <= 256; }

struct max_pool2d_attributes {
  std::size_t kernel, stride, padding;
};

struct prepared_max_pool2d : prepared {
  onednn::primitive forward, backward;

  explicit prepared_max_pool2d(const preparation& p) {
    using onednn::layout;
    const auto& a = p.attributes<max_pool2d_attributes>();
    const tensor_shape &in = p.inputs[0], &out = p.outputs[0];
    const layout x = layout::channels_last({p.batch, in.channels(), in.height(), in.width()});
    const layout y = layout::channels_last({p.batch, out.channels(), out.height(), out.width()});
    // Where the windows do not reach the last row or column, the border there is smaller, or negative.
    const auto behind = [&](std::size_t before, std::size_t after) {
      return static_cast<onednn::extent>((after - 1) * a.stride + a.kernel) -
             static_cast<onednn::extent>(before + a.padding);
    };
    const onednn::window window(a.kernel, a.stride, a.padding,
                                {behind(in.height(), out.height()), behind(in.width(), out.width())});

    forward = onednn::max_pooling(x, y, window, p.training);
    reserve_scratch(*this, 0, forward);
    if (p.training) {
      const std::size_t index = places_are_bytes(a.kernel) ? 1 : 4;
      if (forward.layout_of(onednn::workspace).bytes() != out.elements(p.batch) * index)
        throw error(
            "max_pool2d: oneDNN's indices have another size than planned; this version of oneDNN is not supported");
    }
    if (!p.backward_input) return;
    backward = onednn::max_pooling_backward(x, y, window, forward);
    reserve_scratch(*this, p.accumulates_input ? x.bytes() : 0, backward);
  }
};

struct max_pool2d_kernels {
  static std::unique_ptr<prepared> prepare(const preparation& p) { return std::make_unique<prepared_max_pool2d>(p); }

  static void forward(const forward_pass& pass) {
    const auto& state = pass.prepared_as<prepared_max_pool2d>();
    const onednn::primitive::argument src{onednn::source, pass.input().data()},
        dst{onednn::result, pass.output().data()};
    if (pass.training())
      state.forward.execute(pass.scratch(), {src, dst, {onednn::workspace, pass.saved<std::byte>().data()}});
    else
      state.forward.execute(pass.scratch(), {src, dst});
    mend(pass);
  }

  static void backward_input(const backward_pass& pass) {
    write_or_add(pass.input_gradient(), pass.scratch(), [&](float* dx, std::byte* scratch) {
      pass.prepared_as<prepared_max_pool2d>().backward.execute(
          scratch, {{onednn::result_gradient, pass.output_gradient().data()},
                    {onednn::workspace, pass.saved<std::byte>().data()},
                    {onednn::source_gradient, dx}});
    });
  }

 private:
  /// See max_pool_special.hpp.
  static void mend(const forward_pass& pass) {
    const auto& a = pass.attributes<max_pool2d_attributes>();
    const tensor_shape &in = pass.input_shape(), &out = pass.output_shape();
    const max_pool_geometry g{in.channels(), in.height(), in.width(), out.height(),
                              out.width(),   a.kernel,    a.stride,   a.padding};
    const bool in_bytes = places_are_bytes(a.kernel);
    std::uint8_t* const bytes = in_bytes ? pass.saved<std::uint8_t>().data() : nullptr;
    std::int32_t* const numbers = in_bytes ? nullptr : pass.saved<std::int32_t>().data();
    const float* const x = pass.input().data();
    const bool all = any_nan(x, pass.input().size());
    parallel_for(pass.batch() * g.rows, 1 + 16384 / (g.columns * g.channels),
                 [=, y = pass.output().data()](std::size_t begin, std::size_t end) {
                   for (std::size_t row = begin; row < end; ++row) mend_maxima(g, x, y, bytes, numbers, all, row);
                 });
  }
};

}  // namespace detail

/// PyTorch's `MaxPool2d(K, Stride, Padding)`; takes images (C, H, W). The step is K where none is given.
template <std::size_t K, std::size_t Stride = K, std::size_t Padding = 0>
struct max_pool2d : module {
  static_assert(detail::pooling_window<K, Stride, Padding>::holds);

  static constexpr std::string_view kind = "max_pool2d";
  template <std::size_t C, std::size_t H, std::size_t W>
    requires(H + 2 * Padding >= K && W + 2 * Padding >= K)
  static image<float, C, (H + 2 * Padding - K) / Stride + 1, (W + 2 * Padding - K) / Stride + 1> output(
      image<float, C, H, W>);
  /// The place of each maximum in its window.
  template <std::size_t C, std::size_t H, std::size_t W>
  static image<std::conditional_t<detail::places_are_bytes(K), std::uint8_t, std::int32_t>, C,
               (H + 2 * Padding - K) / Stride + 1, (W + 2 * Padding - K) / Stride + 1>
      saved_shape(image<float, C, H, W>);
  static constexpr reads backward_input_reads = reads::saved;
  static constexpr traits is{.commutes_with_relu = true};
  static constexpr double flops(tensor_shapes, tensor_shapes outputs) {
    return static_cast<double>(outputs[0].elements()) * K * K;
  }

  static constexpr detail::max_pool2d_attributes attributes{K, Stride, Padding};
  using kernels = detail::max_pool2d_kernels;
};

}  // namespace remat::nn

REMAT_COMPILED_KERNELS(detail::max_pool2d_kernels)
