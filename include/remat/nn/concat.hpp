// SPDX-License-Identifier: MIT
/// Two or more tensors one after another: images (C_i, H, W) along the channels, tensors (D_i), (T, D_i) and so on along
/// the last extent. Backward reads nothing: the gradient of each is its part of the output's.
#pragma once

#include <remat/core/module.hpp>
#include <remat/nn/rows.hpp>

#include <cstddef>
#include <cstring>
#include <string_view>

namespace remat::nn {
namespace detail {

struct concat_kernels {
  static void forward(const forward_pass& pass) {
    const std::size_t width = row_elements(pass.output_shape()), rows = pass.output().size() / width;
    float* to = pass.output().data();
    for (int i = 0; i < pass.inputs(); ++i) {
      const std::size_t part = row_elements(pass.input_shape(i));
      parallel_for(rows, row_grain(part), [=, x = pass.input(i).data()](std::size_t begin, std::size_t end) {
        for (std::size_t r = begin; r < end; ++r) std::memcpy(to + r * width, x + r * part, part * sizeof(float));
      });
      to += part;
    }
  }

  static void backward_input(const backward_pass& pass) {
    const std::size_t width = row_elements(pass.output_shape()), rows = pass.output_gradient().size() / width;
    const float* dy = pass.output_gradient().data();
    for (int i = 0; i < pass.inputs(); ++i) {
      const std::size_t part = row_elements(pass.input_shape(i));
      if (pass.wants_input_gradient(i)) take(dy, width, part, rows, pass.input_gradient(i));
      dy += part;
    }
  }

 private:
  static void take(const float* dy, std::size_t width, std::size_t part, std::size_t rows, const destination& dx) {
    float* const to = dx.data();
    const bool adds = dx.accumulates();
    parallel_for(rows, row_grain(part), [=](std::size_t begin, std::size_t end) {
      for (std::size_t r = begin; r < end; ++r)
        if (adds)
          for (std::size_t k = 0; k < part; ++k) to[r * part + k] += dy[r * width + k];
        else
          std::memcpy(to + r * part, dy + r * width, part * sizeof(float));
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

  using kernels = detail::concat_kernels;
};

}  // namespace remat::nn

REMAT_COMPILED_KERNELS(detail::concat_kernels)
