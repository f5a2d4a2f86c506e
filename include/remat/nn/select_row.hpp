// SPDX-License-Identifier: MIT
/// One row of a sequence: the first token of BERT or of a vision transformer, which a head reads.
///
///     forward          y = x[Index]         x (T, D), y (D)
///     backward, input  dx[Index] = dy, and 0 in the other rows
///
/// Backward reads nothing.
#pragma once

#include <remat/core/module.hpp>

#include <cstddef>
#include <cstring>
#include <string_view>

namespace remat::nn {
namespace detail {

struct select_row_attributes {
  std::size_t index;
};

struct select_row_kernels {
  static void forward(const forward_pass& pass) {
    const std::size_t width = pass.output_shape().elements(), sample = pass.input_shape().elements();
    const float* const x = pass.input().data() + pass.attributes<select_row_attributes>().index * width;
    for (std::size_t n = 0; n < pass.batch(); ++n)
      std::memcpy(pass.output().data() + n * width, x + n * sample, width * sizeof(float));
  }
  static void backward_input(const backward_pass& pass) {
    const std::size_t width = pass.output_shape().elements(), sample = pass.input_shape().elements();
    const destination dx = pass.input_gradient();
    if (!dx.accumulates()) dx.assign([](std::size_t) { return 0.0f; });
    const std::size_t at = pass.attributes<select_row_attributes>().index * width;
    const float* dy = pass.output_gradient().data();
    for (std::size_t n = 0; n < pass.batch(); ++n, dy += width) {
      float* const row = dx.data() + n * sample + at;
      if (dx.accumulates())
        for (std::size_t i = 0; i < width; ++i) row[i] += dy[i];
      else
        std::memcpy(row, dy, width * sizeof(float));
    }
  }
};

}  // namespace detail

/// PyTorch's `x.select(1, Index)`, `x[:, Index]`; takes (T, D), T above Index.
template <std::size_t Index>
struct select_row : module {
  static constexpr std::string_view kind = "select_row";
  template <std::size_t T, std::size_t D>
    requires(Index < T)
  static tensor<float, D> output(tensor<float, T, D>);

  static constexpr detail::select_row_attributes attributes{Index};
  using kernels = detail::select_row_kernels;
};

}  // namespace remat::nn

REMAT_COMPILED_KERNELS(detail::select_row_kernels)
