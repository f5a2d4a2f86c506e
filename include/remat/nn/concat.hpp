// SPDX-License-Identifier: MIT
/// Two or more tensors one after another: images (C_i, H, W) along the channels, tensors (D_i), (T, D_i) and so on along
/// the last extent. Backward reads nothing: the gradient of each is its part of the output's.
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
    const std::size_t width = row_elements(pass.output_shape());
    const numbers y = pass.output_numbers();
    std::size_t at = 0;  // of a part in its row
    for (int i = 0; i < pass.inputs(); ++i) {
      const std::size_t part = row_elements(pass.input_shape(i));
      parallel_for(y.size / width, row_grain(part), [=, x = pass.input_numbers(i)](std::size_t begin, std::size_t end) {
        for (std::size_t r = begin; r < end; ++r) copy_some(x, r * part, y, r * width + at, part);
      });
      at += part;
    }
  }

  static void backward_input(const backward_pass& pass) {
    const std::size_t width = row_elements(pass.output_shape());
    const const_numbers dy = pass.output_gradient_numbers();
    std::size_t at = 0;
    for (int i = 0; i < pass.inputs(); ++i) {
      const std::size_t part = row_elements(pass.input_shape(i));
      if (pass.wants_input_gradient(i))
        parallel_for(dy.size / width, row_grain(part),
                     [=, dx = pass.input_gradient_numbers(i)](std::size_t begin, std::size_t end) {
                       for (std::size_t r = begin; r < end; ++r) copy_some(dy, r * width + at, dx, r * part, part);
                     });
      at += part;
    }
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
