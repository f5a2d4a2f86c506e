// SPDX-License-Identifier: MIT
/// An embedding: the row of a table that each index names.
///
///     forward               y = weight[index]      index () or (T), weight (V, D), y (D) or (T, D)
///     backward, parameters  dW[index] += dy         reads the input
///
/// Indices are integers from 0 to V - 1; another is an error that names it and its place. A row's gradients are added
/// up in the order of the batch, at any number of threads; rows that no index names have a gradient of 0.
#pragma once

#include <remat/core/error.hpp>
#include <remat/core/module.hpp>
#include <remat/core/parallel.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace remat::nn {
namespace detail {

struct embedding_attributes {
  std::size_t rows, width;
};

struct embedding_kernels {
  static void forward(const forward_pass& pass) {
    const auto [rows, width] = pass.attributes<embedding_attributes>();
    const std::span<const std::int32_t> indices = pass.input<std::int32_t>();
    for (std::size_t i = 0; i < indices.size(); ++i)
      if (indices[i] < 0 || static_cast<std::size_t>(indices[i]) >= rows)
        throw error("embedding: index " + std::to_string(indices[i]) + " at place " + std::to_string(i) +
                    " of the micro-batch names no row; rows are 0 to " + std::to_string(rows - 1));
    const float* const table = pass.parameter(0).data();
    float* const y = pass.output().data();
    parallel_for(indices.size(), grain_of_rows(width), [=, w = width](std::size_t begin, std::size_t end) {
      for (std::size_t i = begin; i < end; ++i)
        std::memcpy(y + i * w, table + static_cast<std::size_t>(indices[i]) * w, w * sizeof(float));
    });
  }

  static void backward_parameters(const backward_pass& pass) {
    const std::size_t width = pass.attributes<embedding_attributes>().width;
    const std::span<const std::int32_t> indices = pass.input<std::int32_t>();
    const float* const dy = pass.output_gradient().data();
    const destination dw = pass.parameter_gradient(0);
    if (!dw.accumulates()) dw.assign([](std::size_t) { return 0.0f; });
    constexpr std::size_t grain = 64;  // a thread has columns of its own
    parallel_for(width, grain, [=, sums = dw.data()](std::size_t begin, std::size_t end) {
      for (std::size_t i = 0; i < indices.size(); ++i) {
        float* const sum = sums + static_cast<std::size_t>(indices[i]) * width;
        for (std::size_t k = begin; k < end; ++k) sum[k] += dy[i * width + k];
      }
    });
  }
};

template <std::size_t V, std::size_t D>
struct embedding_sizes {
  static constexpr bool holds = true;
  static_assert(V > 0 && D > 0, "remat: an embedding has at least one row and one column; give it more");
};

}  // namespace detail

/// PyTorch's `Embedding(V, D)`; takes indices, one or (T).
template <std::size_t V, std::size_t D>
struct embedding : module {
  static_assert(detail::embedding_sizes<V, D>::holds);

  static constexpr std::string_view kind = "embedding";
  static tensor<float, D> output(tensor<std::int32_t>);
  template <std::size_t T>
  static tensor<float, T, D> output(tensor<std::int32_t, T>);
  static constexpr reads backward_parameters_reads = reads::inputs;

  static constexpr std::array parameters{parameter("weight", {V, D}, initial::normal(1))};
  static constexpr detail::embedding_attributes attributes{V, D};
  using kernels = detail::embedding_kernels;
};

}  // namespace remat::nn

REMAT_COMPILED_KERNELS(detail::embedding_kernels)
