// SPDX-License-Identifier: MIT
/// Dropout of the probabilities of attention: drawn again from Philox where backward needs it, tile by tile. Four keys
/// that follow one another have one block of numbers, at a place that the sample, the head and the query name.
#pragma once

#include <remat/core/random.hpp>
#include <remat/nn/vectorised.hpp>

#include <cstddef>
#include <cstdint>

namespace remat::nn::detail {

struct attention_dropout {
  random_stream random;
  float dropped, kept_scale;
  std::size_t row_blocks;  ///< of a query

  static constexpr std::size_t words = 4;  ///< of a block

  attention_dropout(const random_stream& r, float probability, float scale, std::size_t keys)
      : random(r), dropped(probability), kept_scale(scale), row_blocks((keys + words - 1) / words) {}
};

REMAT_BEGIN_VECTOR_CODE

/// Probabilities (rows, columns) of queries from number `row` on, counted over heads and samples, and of keys from
/// `key` on, a multiple of 4: each becomes 0, or is scaled.
REMAT_VECTORISED inline void drop_of_queries(const attention_dropout& d, float* p, std::size_t rows,
                                             std::size_t columns, std::size_t row, std::size_t key) {
  constexpr std::size_t words = attention_dropout::words, blocks = 16;
  for (std::size_t r = 0; r < rows; ++r) {
    float* const of_row = p + r * columns;
    const std::size_t first = (row + r) * d.row_blocks + key / words;
    for (std::size_t c = 0; c < columns; c += words * blocks) {
      std::uint32_t bits[words][blocks];
      for (std::size_t b = 0; b < blocks; ++b) {
        const auto drawn = d.random.block(first + c / words + b);
        for (std::size_t w = 0; w < words; ++w) bits[w][b] = drawn[w];
      }
      float kept[words * blocks];
      for (std::size_t b = 0; b < blocks; ++b)
        for (std::size_t w = 0; w < words; ++w)
          kept[b * words + w] = random_stream::uniform(bits[w][b]) < d.dropped ? 0.0f : d.kept_scale;
      const std::size_t count = columns - c < words * blocks ? columns - c : words * blocks;
      for (std::size_t k = 0; k < count; ++k) of_row[c + k] *= kept[k];
    }
  }
}

/// What those are multiplied with, (rows, columns), rows of keys.
REMAT_VECTORISED inline void kept_of_keys(const attention_dropout& d, float* kept, std::size_t rows,
                                          std::size_t columns, std::size_t row, std::size_t key) {
  constexpr std::size_t words = attention_dropout::words, few = 16;
  for (std::size_t r = 0; r < rows; r += words)
    for (std::size_t c = 0; c < columns; c += few) {
      std::uint32_t bits[words][few];
      for (std::size_t b = 0; b < few; ++b) {
        const auto drawn = d.random.block((row + c + b) * d.row_blocks + (key + r) / words);
        for (std::size_t w = 0; w < words; ++w) bits[w][b] = drawn[w];
      }
      const std::size_t count = columns - c < few ? columns - c : few;
      for (std::size_t w = 0; w < words && r + w < rows; ++w)
        for (std::size_t b = 0; b < count; ++b)
          kept[(r + w) * columns + c + b] = random_stream::uniform(bits[w][b]) < d.dropped ? 0.0f : d.kept_scale;
    }
}

REMAT_END_VECTOR_CODE

}  // namespace remat::nn::detail
