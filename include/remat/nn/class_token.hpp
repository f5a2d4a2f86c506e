// SPDX-License-Identifier: MIT
/// A learned row before a sequence, which a head reads in the end (Dosovitskiy et al. 2021).
///
///     forward               y = (weight, x)          x (T, D), weight (1, 1, D), y (T + 1, D)
///     backward, parameters  dW = sum of dy[0] over the batch
///     backward, input       dx = dy[1 ... T]
///
/// Backward reads nothing. The gradient is added up in the order of the batch.
#pragma once

#include <remat/core/module.hpp>
#include <remat/core/parallel.hpp>

#include <array>
#include <cstddef>
#include <cstring>
#include <string_view>

namespace remat::nn {
namespace detail {

struct class_token_kernels {
  static void forward(const forward_pass& pass) {
    const std::size_t width = pass.parameter(0).size(), sample = pass.input_shape().elements();
    const float *const x = pass.input().data(), *const token = pass.parameter(0).data();
    float* const y = pass.output().data();
    parallel_for(pass.batch(), grain_of_rows(sample), [=](std::size_t begin, std::size_t end) {
      for (std::size_t n = begin; n < end; ++n) {
        float* const to = y + n * (width + sample);
        std::memcpy(to, token, width * sizeof(float));
        std::memcpy(to + width, x + n * sample, sample * sizeof(float));
      }
    });
  }

  static void backward_input(const backward_pass& pass) {
    const std::size_t sample = pass.input_shape().elements();
    const std::size_t width = pass.output_shape().elements() - sample;
    const float* const dy = pass.output_gradient().data();
    const destination dx = pass.input_gradient();
    const bool adds = dx.accumulates();
    parallel_for(pass.batch(), grain_of_rows(sample), [=, to = dx.data()](std::size_t begin, std::size_t end) {
      for (std::size_t n = begin; n < end; ++n) {
        const float* const from = dy + n * (width + sample) + width;
        if (adds)
          in_lanes(0, sample, [=](std::size_t i) { to[n * sample + i] += from[i]; });
        else
          std::memcpy(to + n * sample, from, sample * sizeof(float));
      }
    });
  }

  static void backward_parameters(const backward_pass& pass) {
    const std::size_t of_sample = pass.output_shape().elements(), batch = pass.batch();
    const float* const dy = pass.output_gradient().data();
    pass.parameter_gradient(0).assign([=](std::size_t i) {
      float sum = 0;
      for (std::size_t n = 0; n < batch; ++n) sum += dy[n * of_sample + i];
      return sum;
    });
  }
};

template <std::size_t D>
struct class_token_size {
  static constexpr bool holds = true;
  static_assert(D > 0, "remat: a class_token has at least one element; give it as many as the rows of its sequence");
};

}  // namespace detail

/// `torch.cat((weight.expand(N, 1, D), x), 1)`; takes (T, D).
template <std::size_t D>
struct class_token : module {
  static_assert(detail::class_token_size<D>::holds);

  static constexpr std::string_view kind = "class_token";
  template <std::size_t T>
  static tensor<float, T + 1, D> output(tensor<float, T, D>);

  static constexpr std::array parameters{parameter("weight", {1, 1, D}, initial::normal(0.02))};
  using kernels = detail::class_token_kernels;
};

}  // namespace remat::nn

REMAT_COMPILED_KERNELS(detail::class_token_kernels)
