// SPDX-License-Identifier: MIT
/// Two or more tensors one after another: images (C_i, H, W) along the channels, tensors (D_i), (T, D_i) and so on
/// along the last extent. Backward reads nothing: the gradient of each is its part of the output's.
#pragma once

#include <remat/core/module.hpp>
#include <remat/nn/copy_numbers.hpp>
#include <remat/nn/rows.hpp>

#include <cstddef>
#include <string_view>

namespace remat::nn {
namespace detail {

struct concat_kernels {
  static void forward(const forward_pass& pass) {
    const numbers y = pass.output_numbers();
    each_row(pass, y.size / row_elements(pass.output_shape()),
             [&](int input, std::size_t first, std::size_t at, std::size_t part) {
               copy_some(pass.input_numbers(input), first, y, at, part);
             });
  }
  static void backward_input(const backward_pass& pass) {
    const const_numbers dy = pass.output_gradient_numbers();
    each_row(pass, dy.size / row_elements(pass.output_shape()),
             [&](int input, std::size_t first, std::size_t at, std::size_t part) {
               if (pass.wants_input_gradient(input)) copy_some(dy, at, pass.input_gradient_numbers(input), first, part);
             });
  }

 private:
  /// Calls f(input, where a row begins in it, and where in the output, the row's elements), for a few rows of each
  /// input, so that the output is gone through in the order of memory.
  template <class Pass, class F>
  static void each_row(const Pass& pass, std::size_t rows, const F& f) {
    constexpr std::size_t elements = 4096;
    const std::size_t width = row_elements(pass.output_shape()), few = 1 + elements / width;
    parallel_for(rows, few, [&](std::size_t begin, std::size_t end) {
      for (std::size_t first = begin; first < end; first += few) {
        const std::size_t last = end - first < few ? end : first + few;
        std::size_t before = 0;  // elements of the inputs before it in a row of the output
        for (int i = 0; i < pass.inputs(); ++i) {
          const std::size_t part = row_elements(pass.input_shape(i));
          for (std::size_t r = first; r < last; ++r) f(i, r * part, r * width + before, part);
          before += part;
        }
      }
    });
  }
};

}  // namespace detail

/// PyTorch's `cat` over the last extent, of images over dim 1.
struct concat : module {
  static constexpr std::string_view kind = "concat";
  template <std::size_t... D>
    requires(sizeof...(D) > 1)
  static tensor<float, (D + ...)> output(tensor<float, D>...);
  template <std::size_t T, std::size_t... D>
    requires(sizeof...(D) > 1)
  static tensor<float, T, (D + ...)> output(tensor<float, T, D>...);
  template <std::size_t S, std::size_t T, std::size_t... D>
    requires(sizeof...(D) > 1)
  static tensor<float, S, T, (D + ...)> output(tensor<float, S, T, D>...);
  template <std::size_t R, std::size_t S, std::size_t T, std::size_t... D>
    requires(sizeof...(D) > 1)
  static tensor<float, R, S, T, (D + ...)> output(tensor<float, R, S, T, D>...);
  template <std::size_t H, std::size_t W, std::size_t... C>
    requires(sizeof...(C) > 1)
  static image<float, (C + ...), H, W> output(image<float, C, H, W>...);

  static constexpr traits is{.takes_bfloat16 = true, .gives_bfloat16 = true};

  using kernels = detail::concat_kernels;
};

}  // namespace remat::nn

REMAT_COMPILED_KERNELS(detail::concat_kernels)
