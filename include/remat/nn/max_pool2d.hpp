// SPDX-License-Identifier: MIT
/// Maximum over windows of KH x KW. Backward reads no activation, only the place of each maximum (one byte an output).
/// Of float32 in windows without gaps it is oneDNN's, else it is in the loops of max_pool_loops.hpp.
///
/// After a relu that is fused into the operation before it, the relu's mask is applied to this module's gradient,
/// where it is smaller; see plan/fuse.hpp.
#pragma once

#include <remat/core/error.hpp>
#include <remat/core/module.hpp>
#include <remat/core/parallel.hpp>
#include <remat/nn/max_pool_loops.hpp>
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
constexpr bool places_are_bytes(const extents& kernel) { return kernel.area() < 256; }

struct max_pool2d_attributes {
  extents kernel;
  window over;
};

struct prepared_max_pool2d : prepared {
  max_pool_geometry geometry;
  bool in_loops;                        ///< where the window has gaps, and of bfloat16
  onednn::primitive forward, backward;  ///< none in loops

  explicit prepared_max_pool2d(const preparation& p)
      : geometry(geometry_of(p)),
        in_loops(geometry.over.dilation != 1 || p.inputs[0].type != element::float32 ||
                 p.outputs[0].type != element::float32 || p.output_gradient_type() != element::float32 ||
                 p.input_gradient_type() != element::float32) {
    using onednn::layout;
    if (in_loops) return;
    const max_pool_geometry& g = geometry;
    const std::size_t to_add = p.accumulates_input ? p.inputs[0].bytes(p.batch) : 0;
    const layout x = layout::channels_last({p.batch, g.channels, g.height, g.width});
    const layout y = layout::channels_last({p.batch, g.channels, g.rows, g.columns});
    // Where the windows do not reach the last row or column, the border there is smaller, or negative.
    const onednn::window::pair before{static_cast<onednn::extent>(g.height + g.over.padding.height),
                                      static_cast<onednn::extent>(g.width + g.over.padding.width)};
    const onednn::window::pair used{
        static_cast<onednn::extent>((g.rows - 1) * g.over.stride.height + g.kernel.height),
        static_cast<onednn::extent>((g.columns - 1) * g.over.stride.width + g.kernel.width)};
    const onednn::window window(g.kernel, g.over.stride, g.over.padding, {used[0] - before[0], used[1] - before[1]});

    forward = onednn::max_pooling(x, y, window, p.training);
    reserve_scratch(*this, 0, forward);
    if (p.training) {
      const std::size_t index = places_are_bytes(g.kernel) ? 1 : 4;
      if (forward.layout_of(onednn::workspace).bytes() != p.outputs[0].elements(p.batch) * index)
        throw error(
            "max_pool2d: oneDNN's indices have another size than planned; this version of oneDNN is not supported");
    }
    if (!p.backward_input) return;
    backward = onednn::max_pooling_backward(x, y, window, forward);
    reserve_scratch(*this, to_add, backward);
  }

 private:
  static max_pool_geometry geometry_of(const preparation& p) {
    const auto& a = p.attributes<max_pool2d_attributes>();
    const tensor_shape &in = p.inputs[0], &out = p.outputs[0];
    return {in.channels(), in.height(), in.width(), out.height(), out.width(), a.kernel, a.over};
  }
};

struct max_pool2d_kernels {
  static std::unique_ptr<prepared> prepare(const preparation& p) { return std::make_unique<prepared_max_pool2d>(p); }

  static void forward(const forward_pass& pass) {
    const auto& state = pass.prepared_as<prepared_max_pool2d>();
    const bool are_bytes = places_are_bytes(state.geometry.kernel);
    std::uint8_t* const bytes = are_bytes ? pass.saved<std::uint8_t>().data() : nullptr;
    std::int32_t* const wide = are_bytes ? nullptr : pass.saved<std::int32_t>().data();
    if (state.in_loops)
      pool_in_loops(state.geometry, pass.batch(), pass.input_numbers(), pass.output_numbers(), {bytes, wide});
    else if (are_bytes)
      run(pass, state, bytes);
    else
      run(pass, state, wide);
  }

  static void backward_input(const backward_pass& pass) {
    const auto& state = pass.prepared_as<prepared_max_pool2d>();
    const bool are_bytes = places_are_bytes(state.geometry.kernel);
    if (state.in_loops)
      return unpool_in_loops(state.geometry, pass.batch(), pass.output_gradient_numbers(),
                             {are_bytes ? pass.saved<std::uint8_t>().data() : nullptr,
                              are_bytes ? nullptr : pass.saved<std::int32_t>().data()},
                             pass.input_gradient_numbers());
    const float* const dy = pass.output_gradient().data();
    write_or_add(pass.input_gradient(), pass.scratch(), [&](float* dx, std::byte* scratch) {
      state.backward.execute(scratch, {{onednn::result_gradient, dy},
                                       {onednn::workspace, pass.saved<std::byte>().data()},
                                       {onednn::source_gradient, dx}});
    });
  }

 private:
  /// `places` is null in inference.
  template <class Place>
  static void run(const forward_pass& pass, const prepared_max_pool2d& state, Place* places) {
    const max_pool_geometry& g = state.geometry;
    const float* const x = pass.input().data();
    float* const y = pass.output().data();
    const onednn::primitive::argument src{onednn::source, x}, dst{onednn::result, y};
    if (places != nullptr)
      state.forward.execute(pass.scratch(), {src, dst, {onednn::workspace, places}});
    else
      state.forward.execute(pass.scratch(), {src, dst});
    const bool all = any_nan(x, pass.input().size());  // see max_pool_special.hpp
    parallel_for(pass.batch() * g.rows, 1 + 16384 / (g.columns * g.channels), [=](std::size_t begin, std::size_t end) {
      for (std::size_t row = begin; row < end; ++row) mend_maxima(g, x, y, places, all, row);
    });
  }
};

}  // namespace detail

/// PyTorch's `MaxPool2d(Kernel, stride, padding, dilation)`; takes images (C, H, W). The kernel is one number or
/// `extents{3, 5}`, and the stride where none is given.
template <extents Kernel, window Over = window{}>
struct max_pool2d : module {
 private:
  static constexpr window over = detail::with_stride(Over, Kernel);
  static_assert(detail::pooling_window<Kernel, over>::holds);

 public:
  static constexpr std::string_view kind = "max_pool2d";
  template <std::size_t C, std::size_t H, std::size_t W>
    requires(detail::holds_kernel({H, W}, Kernel, over))
  static image<float, C, detail::places({H, W}, Kernel, over).height, detail::places({H, W}, Kernel, over).width>
      output(image<float, C, H, W>);
  /// The place of each maximum in its window.
  template <std::size_t C, std::size_t H, std::size_t W>
  static image<std::conditional_t<detail::places_are_bytes(Kernel), std::uint8_t, std::int32_t>, C,
               detail::places({H, W}, Kernel, over).height, detail::places({H, W}, Kernel, over).width>
      saved_shape(image<float, C, H, W>);
  static constexpr reads backward_input_reads = reads::saved;
  static constexpr traits is{.commutes_with_relu = true, .takes_bfloat16 = true, .gives_bfloat16 = true};
  static constexpr double flops(tensor_shapes, tensor_shapes outputs) {
    return static_cast<double>(outputs[0].elements() * Kernel.area());
  }

  static constexpr detail::max_pool2d_attributes attributes{Kernel, over};
  using kernels = detail::max_pool2d_kernels;
};

}  // namespace remat::nn

REMAT_COMPILED_KERNELS(detail::max_pool2d_kernels)
