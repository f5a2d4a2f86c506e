// SPDX-License-Identifier: MIT
/// Sums over rows, as gradients of biases are.
#pragma once

#include <remat/core/kernel.hpp>
#include <remat/nn/floats.hpp>

#include <cstddef>

namespace remat::nn::detail {

/// Sums of the columns of `values` (rows, columns) into `sums`. A column is summed by one thread, in blocks of rows
/// whose sums are then added in order: the same bits at any thread count, and errors that grow with the blocks, not the
/// rows.
inline void sum_rows(const const_numbers& values, std::size_t rows, std::size_t columns, const destination& sums) {
  constexpr std::size_t block = 256, wide = 256, grain = 32;  // short stretches of rows come slowly from memory
  float* const out = sums.data();
  parallel_for(columns, grain, [&](std::size_t begin, std::size_t end) {
    for (std::size_t c = begin; c < end; c += wide) {
      const std::size_t width = end - c < wide ? end - c : wide;
      float total[wide] = {};
      for (std::size_t r = 0; r < rows; r += block) {
        const std::size_t last = rows - r < block ? rows : r + block;
        float part[wide] = {};
        for (std::size_t i = r; i < last; ++i) {
          const std::size_t at = i * columns + c;
          if (values.type == element::bfloat16) {
            add_widened(reinterpret_cast<const bfloat16*>(values.data) + at, part, width);
            continue;
          }
          const float* const row = reinterpret_cast<const float*>(values.data) + at;
          in_lanes(0, width, [&](std::size_t k) { part[k] += row[k]; });
        }
        for (std::size_t k = 0; k < width; ++k) total[k] += part[k];
      }
      for (std::size_t k = 0; k < width; ++k) out[c + k] = sums.accumulates() ? out[c + k] + total[k] : total[k];
    }
  });
}

inline void sum_rows(const float* values, std::size_t rows, std::size_t columns, const destination& sums) {
  sum_rows({reinterpret_cast<const std::byte*>(values), rows * columns}, rows, columns, sums);
}

}  // namespace remat::nn::detail
