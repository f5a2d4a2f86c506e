// SPDX-License-Identifier: MIT
/// Rows: the last extent of a tensor, (D), (T, D) and so on, and the channels of a pixel of an image (C, H, W). In
/// memory all of them are rows.
#pragma once

#include <remat/core/module.hpp>
#include <remat/nn/exponential.hpp>

#include <cstddef>

namespace remat::nn::detail {

/// Elements of one row.
constexpr std::size_t row_elements(const tensor_shape& shape) {
  return shape.is_image() ? shape.channels() : shape.extents[shape.rank - 1];
}

/// A module that makes each row a distribution, and whose backward pass reads that.
struct normalisation_of_rows : module {
  template <std::size_t First, std::size_t... Rest>
  static tensor<float, First, Rest...> output(tensor<float, First, Rest...>);
  template <std::size_t C, std::size_t H, std::size_t W>
  static image<float, C, H, W> output(image<float, C, H, W>);
  static constexpr reads backward_input_reads = reads::outputs;
  static constexpr traits is{.in_place = true};
  static constexpr double flops(tensor_shapes inputs, tensor_shapes) {
    return 8.0 * static_cast<double>(inputs[0].elements());
  }
};

/// Rows for which a second thread pays.
constexpr std::size_t row_grain(std::size_t elements) { return 1 + 2048 / elements; }

REMAT_BEGIN_VECTOR_CODE

[[gnu::always_inline]] inline float largest_of(const float* x, std::size_t size) {
  float maxima[lanes];
  for (float& m : maxima) m = x[0];
  std::size_t c = 0;
  for (; c + lanes <= size; c += lanes)
    for (std::size_t lane = 0; lane < lanes; ++lane)
      maxima[lane] = x[c + lane] > maxima[lane] ? x[c + lane] : maxima[lane];
  for (std::size_t lane = 0; c + lane < size; ++lane)
    maxima[lane] = x[c + lane] > maxima[lane] ? x[c + lane] : maxima[lane];
  float largest = maxima[0];
  for (const float m : maxima) largest = m > largest ? m : largest;
  return largest;
}

/// The sum of term(i) for i in [begin, end).
template <class Term>
[[gnu::always_inline]] inline double sum_of(std::size_t begin, std::size_t end, const Term& term) {
  float sums[lanes] = {};
  std::size_t c = begin;
  for (; c + lanes <= end; c += lanes)
    for (std::size_t lane = 0; lane < lanes; ++lane) sums[lane] += term(c + lane);
  for (std::size_t lane = 0; c + lane < end; ++lane) sums[lane] += term(c + lane);
  double sum = 0;
  for (const float s : sums) sum += static_cast<double>(s);
  return sum;
}

REMAT_END_VECTOR_CODE

}  // namespace remat::nn::detail
