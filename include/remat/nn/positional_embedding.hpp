// SPDX-License-Identifier: MIT
/// A learned embedding of positions: the row of a table for each place of a sequence, added to what is there.
///
///     forward               y = x + weight[0 ... S - 1]      x and y (S, D), weight (T, D), S at most T
///     backward, parameters  dW = sum of dy over the batch    and 0 in the rows from S on
///     backward, input       dx = dy, without a kernel
///
/// Backward reads nothing. A row's gradients are added up in the order of the batch, at any number of threads.
#pragma once

#include <remat/core/module.hpp>
#include <remat/core/parallel.hpp>

#include <array>
#include <cstddef>
#include <string_view>

namespace remat::nn {
namespace detail {

struct positional_embedding_attributes {
  std::size_t start;  ///< numbers of the table before the row of the first place
};

struct positional_embedding_kernels {
  static void forward(const forward_pass& pass) {
    const std::size_t size = pass.output_shape().elements();  // of one sample
    const float *const x = pass.input().data(), *const w = pass.parameter(0).data() +
                                                           pass.attributes<positional_embedding_attributes>().start;
    float* const y = pass.output().data();
    parallel_for(pass.output().size(), grain_of_numbers, [=](std::size_t begin, std::size_t end) {
      for (std::size_t first = begin; first < end;) {
        const std::size_t at = first % size, count = end - first < size - at ? end - first : size - at;
        in_lanes(0, count, [=](std::size_t i) { y[first + i] = x[first + i] + w[at + i]; });
        first += count;
      }
    });
  }

  static void backward_parameters(const backward_pass& pass) {
    const std::size_t size = pass.output_shape().elements(), batch = pass.batch(),
                      start = pass.attributes<positional_embedding_attributes>().start;
    const float* const dy = pass.output_gradient().data();
    const destination dw = pass.parameter_gradient(0);
    const bool adds = dw.accumulates();
    parallel_for(dw.size(), 1024, [=, to = dw.data()](std::size_t begin, std::size_t end) {
      constexpr std::size_t few = 256;
      for (std::size_t first = begin; first < end; first += few) {
        const std::size_t count = end - first < few ? end - first : few;
        // Of these, [from, to) are of places that there are.
        const std::size_t from = first < start ? (start - first < count ? start - first : count) : 0;
        const std::size_t left = start + size > first ? start + size - first : 0, last = left < count ? left : count;
        float sum[few] = {};
        for (std::size_t n = 0; n < batch; ++n)
          in_lanes(from, last, [&](std::size_t i) { sum[i] += dy[n * size + first + i - start]; });
        for (std::size_t i = 0; i < count; ++i) to[first + i] = adds ? to[first + i] + sum[i] : sum[i];
      }
    });
  }
};

template <std::size_t T, std::size_t D>
struct positional_embedding_sizes {
  static constexpr bool holds = true;
  static_assert(T > 0 && D > 0, "remat: a positional_embedding has at least one position and one column; give it more");
};

}  // namespace detail

/// `x + Embedding(T, D)(positions)`, positions 0, 1, ... (GPT-2's `wpe`); takes (S, D), where S is at most T.
/// `First` is the row of the first place: RoBERTa's positions begin with 2.
template <std::size_t T, std::size_t D, std::size_t First = 0>
struct positional_embedding : module {
  static_assert(detail::positional_embedding_sizes<T, D>::holds);

  static constexpr std::string_view kind = "positional_embedding";
  template <std::size_t S>
    requires(S + First <= T)
  static tensor<float, S, D> output(tensor<float, S, D>);
  static constexpr traits is{.in_place = true, .passes_gradient = true};

  static constexpr std::array parameters{parameter("weight", {T, D}, initial::normal(1))};
  static constexpr detail::positional_embedding_attributes attributes{First * D};
  using kernels = detail::positional_embedding_kernels;
};

}  // namespace remat::nn

REMAT_COMPILED_KERNELS(detail::positional_embedding_kernels)
