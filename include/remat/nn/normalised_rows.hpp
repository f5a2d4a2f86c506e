// SPDX-License-Identifier: MIT
/// What layers that normalise rows of D elements have in common: the shapes, and the blocks of rows over which
/// gradients of their parameters are summed.
#pragma once

#include <remat/core/module.hpp>
#include <remat/core/parallel.hpp>

#include <cstddef>

namespace remat::nn::detail {

/// Of (D), (T, D) and so on, and of the pixels of an image (D, H, W), whose channels follow one another in memory.
template <std::size_t D>
struct normalises_rows : module {
  static tensor<float, D> output(tensor<float, D>);
  template <std::size_t T>
  static tensor<float, T, D> output(tensor<float, T, D>);
  template <std::size_t S, std::size_t T>
  static tensor<float, S, T, D> output(tensor<float, S, T, D>);
  template <std::size_t R, std::size_t S, std::size_t T>
  static tensor<float, R, S, T, D> output(tensor<float, R, S, T, D>);
  template <std::size_t H, std::size_t W>
  static image<float, D, H, W> output(image<float, D, H, W>);

 protected:
  /// One number for each row.
  static tensor<float> of_rows(tensor<float, D>);
  template <std::size_t T>
  static tensor<float, T> of_rows(tensor<float, T, D>);
  template <std::size_t S, std::size_t T>
  static tensor<float, S, T> of_rows(tensor<float, S, T, D>);
  template <std::size_t R, std::size_t S, std::size_t T>
  static tensor<float, R, S, T> of_rows(tensor<float, R, S, T, D>);
  template <std::size_t H, std::size_t W>
  static tensor<float, H, W> of_rows(image<float, D, H, W>);
};

/// Up to 64 blocks, whose number depends on the rows alone: sums over rows are taken in each, and then in their order.
struct row_blocks {
  std::size_t rows = 0, block_rows = 1, count = 0;

  row_blocks() = default;
  explicit row_blocks(std::size_t of) : rows(of) {
    constexpr std::size_t fewest_rows = 16, most_blocks = 64;
    block_rows = (rows + most_blocks - 1) / most_blocks;
    if (block_rows < fewest_rows) block_rows = fewest_rows;
    count = (rows + block_rows - 1) / block_rows;
  }

  /// f(block, its first row, the row after its last).
  template <class F>
  void for_each(const F& f) const {
    parallel_for(count, 1, [&](std::size_t begin, std::size_t end) {
      for (std::size_t at = begin; at < end; ++at) {
        const std::size_t first = at * block_rows;
        f(at, first, rows - first < block_rows ? rows : first + block_rows);
      }
    });
  }
};

}  // namespace remat::nn::detail
