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
    each_part(pass, y.size, [&](int input, const part_of_rows& some) {
      const const_numbers x = pass.input_numbers(input);
      for (std::size_t r = some.first; r < some.last; ++r) copy_some(x, some.own(r), y, some.whole(r), some.width);
    });
  }
  static void backward_input(const backward_pass& pass) {
    const const_numbers dy = pass.output_gradient_numbers();
    each_part(pass, dy.size, [&](int input, const part_of_rows& some) {
      if (!pass.wants_input_gradient(input)) return;
      const numbers dx = pass.input_gradient_numbers(input);
      for (std::size_t r = some.first; r < some.last; ++r) copy_some(dy, some.whole(r), dx, some.own(r), some.width);
    });
  }

 private:
  /// Rows [first, last) of an input, of `width` elements, which come after `before` others in a row of the output.
  struct part_of_rows {
    std::size_t first, last, width, before, all;

    std::size_t own(std::size_t row) const { return row * width; }
    std::size_t whole(std::size_t row) const { return row * all + before; }
  };
  /// Calls f(input, its part) for a few rows at a time, so that the output is gone through in the order of memory.
  template <class Pass, class F>
  static void each_part(const Pass& pass, std::size_t elements, const F& f) {
    const std::size_t all = row_elements(pass.output_shape()), few = 1 + 4096 / all;
    parallel_for(elements / all, few, [&](std::size_t begin, std::size_t end) {
      for (std::size_t first = begin; first < end; first += few) {
        part_of_rows some{first, end - first < few ? end : first + few, 0, 0, all};
        for (int i = 0; i < pass.inputs(); ++i, some.before += some.width) {
          some.width = row_elements(pass.input_shape(i));
          f(i, some);
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
