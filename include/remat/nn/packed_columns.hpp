// SPDX-License-Identifier: MIT
/// The second factor of a product, b (k, n), in the layout that oneDNN's brgemm reads fastest: panels of 64 columns. In
/// a panel the rows follow one another, and of bfloat16 each pair of rows: (n / 64, k, 64), or (n / 64, k / 2, 64, 2),
/// with zeros after the last row and column.
///
/// Of b as it is stored, each of oneDNN's threads copies what it multiplies into such panels itself. Its reorder makes
/// them of floats in the time of a third of a product of 256 rows; these loops take a tenth. Milliseconds for weights of
/// 1024 x 1024 in float32, out of memory, that become bfloat16 (Zen 4, 1 thread), and a product of 256 rows with them:
///
/// | b   | oneDNN's reorder | here | rounded as stored | product with panels | with b as stored |
/// |-----|------------------|------|-------------------|---------------------|------------------|
/// | W^T | 1.32             | 0.22 | 0.18              | 2.38                | 2.54             |
/// | W   | 0.90             | 0.19 | 0.18              | 2.36                | 2.55             |
#pragma once

#include <remat/core/bfloat16.hpp>
#include <remat/core/numbers.hpp>
#include <remat/core/parallel.hpp>
#include <remat/nn/onednn_layout.hpp>
#include <remat/nn/packing_loops.hpp>

#include <algorithm>
#include <cstddef>
#include <cstring>

namespace remat::nn::detail {

/// b of floats or of bfloat16, packed as either; floats are rounded.
class packed_columns {
 public:
  packed_columns() = default;
  /// `transposed`: b is stored along its columns.
  packed_columns(std::size_t k, std::size_t n, bool transposed, element factors)
      : k_(k), n_(n), transposed_(transposed), factors_(factors) {}

  explicit operator bool() const { return n_ > 0; }
  onednn::layout layout() const { return onednn::layout::panels(k_, n_, factors_); }

  /// From `from`, which may be of float32 where b is packed as bfloat16, and is read in the order of memory, or sixteen
  /// lines at a time.
  void pack(const const_numbers& from, std::byte* to) const {
    const auto each = [&](std::size_t count, std::size_t numbers, const auto& pack_one) {
      parallel_for(count, grain_of_rows(numbers), [&](std::size_t begin, std::size_t end) {
        for (std::size_t i = begin; i < end; ++i) pack_one(i);
      });
    };
    if (transposed_)
      each(panels() * width / lanes, lanes * k_, [&](std::size_t i) { pack_lines(from, i * lanes, to); });
    else
      each(blocks(), depth() * n_, [&](std::size_t i) { pack_rows(from, i, to); });
  }

 private:
  // A panel is in blocks of 16 words of each column. A word is a float, or two numbers below one another.
  static constexpr std::size_t width = panel_width, words = 16, word = sizeof(float);
  // Rows that are read together. Of one pair, the lines that are written in turn are a panel apart, and drive one
  // another out of the cache; many rows are more than the processor reads ahead. 0.28, 0.19 and 0.28 ms of 1, 4 and 16
  // pairs, for 1024 x 1024 floats.
  static constexpr std::size_t pairs_at_once = 4;

  std::size_t depth() const { return words * word / size_of(factors_); }  // rows of a block
  std::size_t panels() const { return (n_ + width - 1) / width; }
  std::size_t blocks() const { return (k_ + depth() - 1) / depth(); }
  /// The block that row `block * depth()` of this column is in.
  float* block_at(std::size_t block, std::size_t column, std::byte* packed) const {
    return reinterpret_cast<float*>(packed + (column / width * blocks() + block) * width * words * word);
  }
  std::size_t rows_of(std::size_t block) const { return std::min(depth(), k_ - block * depth()); }

  /// A block of each panel.
  void pack_rows(const const_numbers& from, std::size_t block, std::byte* packed) const {
    const std::size_t rows = rows_of(block), apart = blocks() * width * words;
    float* to = block_at(block, 0, packed);
    if (rows < depth() || n_ % width != 0)
      for (std::size_t panel = rows < depth() ? 0 : panels() - 1; panel < panels(); ++panel)
        std::memset(to + panel * apart, 0, width * words * word);
    const std::byte* const first = from.data + block * depth() * n_ * size_of(from.type);
    if (factors_ == element::float32) return copy_rows(first, rows, to, apart);
    const std::size_t pairs = rows / 2;
    for (std::size_t p = 0; p < pairs; p += pairs_at_once) {
      const std::size_t begin = 2 * p * n_, count = std::min(pairs_at_once, pairs - p);
      if (from.type == element::float32)
        pair_floats(reinterpret_cast<const float*>(first) + begin, n_, count, n_, to + p * width, apart);
      else
        pair_rounded(reinterpret_cast<const bfloat16*>(first) + begin, n_, count, n_, to + p * width, apart);
    }
    if (rows % 2 != 0)  // the last row, alone
      for (std::size_t c = 0; c < n_; ++c)
        put_pair(number(from, (block * depth() + rows - 1) * n_ + c), 0,
                 to + c / width * apart + pairs * width + c % width);
  }
  void copy_rows(const std::byte* from, std::size_t rows, float* to, std::size_t apart) const {
    for (std::size_t r = 0; r < rows; r += 2 * pairs_at_once) {
      const std::size_t end = std::min(rows, r + 2 * pairs_at_once);
      for (std::size_t c = 0; c < n_; c += width)
        for (std::size_t i = r; i < end; ++i) {
          float* const line = to + c / width * apart + i * width;
          const std::byte* const columns = from + (i * n_ + c) * word;
          if (c + width <= n_)
            std::memcpy(line, columns, width * word);
          else
            std::memcpy(line, columns, (n_ - c) * word);
        }
    }
  }
  static float number(const const_numbers& from, std::size_t i) {
    return from.type == element::float32 ? reinterpret_cast<const float*>(from.data)[i]
                                         : float_of(reinterpret_cast<const bfloat16*>(from.data)[i]);
  }

  /// Sixteen columns, which are lines in `from`.
  void pack_lines(const const_numbers& from, std::size_t column, std::byte* packed) const {
    alignas(64) float some[lanes * 2 * words];  // where there are fewer
    const bool rounds = from.type != factors_;
    const std::size_t count = column < n_ ? std::min(lanes, n_ - column) : 0, one = size_of(from.type);
    for (std::size_t block = 0; block < blocks(); ++block) {
      const std::size_t rows = rows_of(block);
      const std::byte* lines = from.data + (column * k_ + block * depth()) * one;
      std::size_t step = k_ * one / word;
      if (count < lanes || rows < depth() || k_ * one % word != 0) {
        std::memset(some, 0, sizeof some);
        step = depth() * one / word;
        for (std::size_t i = 0; i < count; ++i) std::memcpy(some + i * step, lines + i * k_ * one, rows * one);
        lines = reinterpret_cast<const std::byte*>(some);
      }
      (rounds ? turn_rounded : turn_words)(reinterpret_cast<const float*>(lines), step,
                                           block_at(block, column, packed) + column % width, width);
    }
  }

  std::size_t k_ = 0, n_ = 0;
  bool transposed_ = false;
  element factors_ = element::float32;
};

}  // namespace remat::nn::detail
