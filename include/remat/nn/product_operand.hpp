// SPDX-License-Identifier: MIT
/// A matrix that a product reads, of which one call gets a part. oneDNN 2.6 has its own kernels (brgemm) for matrices
/// whose lines follow one another in memory; lines with gaps between them go to its gemm, which takes what it packs
/// from the heap. So a part that is narrower than its lines is copied into scratch before.
#pragma once

#include <remat/core/alignment.hpp>
#include <remat/core/parallel.hpp>

#include <cstddef>

namespace remat::nn::detail {

/// A (rows, columns) matrix, stored along its rows, or, where it is transposed, along its columns.
class product_operand {
 public:
  product_operand() = default;
  /// Read in parts of at most `rows` by `columns`.
  product_operand(bool transposed, std::size_t whole_rows, std::size_t whole_columns, std::size_t rows,
                  std::size_t columns)
      : transposed_(transposed), step_(transposed ? whole_rows : whole_columns) {
    const std::size_t length = transposed ? rows : columns;
    if (length < step_) packed_bytes_ = aligned(rows * columns * sizeof(float));
  }

  /// Bytes of scratch for a part, 0 where parts are read where they are.
  std::size_t packed_bytes() const { return packed_bytes_; }

  bool is_transposed() const { return transposed_; }

  /// The part that begins at (row, column) of `values`, ready to be read.
  const float* part(const float* values, std::size_t row, std::size_t column, std::size_t rows, std::size_t columns,
                    float* packed) const {
    const float* const begin = values + (transposed_ ? column * step_ + row : row * step_ + column);
    if (packed_bytes_ == 0) return begin;
    const std::size_t lines = transposed_ ? columns : rows, length = transposed_ ? rows : columns;
    parallel_for(lines, grain_of_rows(length), [=, step = step_](std::size_t first, std::size_t end) {
      for (std::size_t line = first; line < end; ++line) {
        const float* const from = begin + line * step;
        float* const to = packed + line * length;
        in_lanes(0, length, [=](std::size_t i) { to[i] = from[i]; });
      }
    });
    return packed;
  }

 private:
  bool transposed_ = false;
  std::size_t step_ = 0;  // from one line to the next
  std::size_t packed_bytes_ = 0;
};

}  // namespace remat::nn::detail
