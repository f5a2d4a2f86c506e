// SPDX-License-Identifier: MIT
/// The loops of attention over tiles of scores.
#pragma once

#include <remat/core/random.hpp>
#include <remat/nn/exponential.hpp>
#include <remat/nn/head_rows.hpp>
#include <remat/nn/rows.hpp>

#include <cstddef>

namespace remat::nn::detail {

/// A tile of scores (rows, columns), rows of queries, as forward makes probabilities of it.
struct scores_of_queries {
  float* scores;
  std::size_t rows, columns;
  std::size_t limit;      ///< columns that the first row attends to, of those that there are
  bool limit_grows;       ///< by one from row to row
  const float* bias;      ///< of each column, 0 or `no_score`; or null
  std::size_t first;      ///< column that is attended to
  float scale;            ///< of scores
  float *largest, *sums;  ///< (rows), of the tiles before and of this
  float* output;          ///< (rows, width), of the tiles before
  std::size_t width;
  bool is_first;  ///< there are none before
};

/// A tile of scores (rows, columns), rows of keys, and of the gradients of the probabilities.
struct scores_of_keys {
  float *scores, *gradients;
  std::size_t rows, columns;
  std::size_t key, query;  ///< of the first row and the first column
  bool causal;
  const float* bias;              ///< of each row, 0 or `no_score`; or null
  float scale;                    ///< of scores
  const float *largest, *shares;  ///< (columns): the largest score; 1 over the sum of exponentials
  float* dots;                    ///< (columns): the sums of probabilities and their gradients
  const float* kept;              ///< (rows, columns): what dropout multiplies with; or null

  /// The first column that attends to the key of a row.
  std::size_t begin(std::size_t r) const {
    if (bias != nullptr && bias[r] != 0) return columns;
    const std::size_t first = causal && key + r > query ? key + r - query : 0;
    return first < columns ? first : columns;
  }
};

REMAT_BEGIN_VECTOR_CODE

/// Probabilities, but for the division by their sum, relative to the largest score so far; the output of the tiles
/// before becomes relative to it as well.
REMAT_VECTORISED inline void probabilities_of_queries(const scores_of_queries& t) {
  const float scale = t.scale;
  for (std::size_t r = 0; r < t.rows; ++r) {
    float* const row = t.scores + r * t.columns;
    std::size_t limit = t.limit_grows ? t.limit + r : t.limit;
    if (limit > t.columns) limit = t.columns;
    const float before = t.is_first ? no_score : t.largest[r];
    const float sum_before = t.is_first ? 0.0f : t.sums[r];
    if (t.first >= limit) {
      for (std::size_t c = 0; c < t.columns; ++c) row[c] = 0;
      t.largest[r] = before;
      t.sums[r] = sum_before;
      continue;
    }
    if (t.bias != nullptr) {
      const float* const bias = t.bias;
      for (std::size_t c = 0; c < limit; ++c) row[c] += bias[c];
    }
    const float here = largest_of(row, limit), largest = here > before ? here : before;
    float sums[lanes] = {};
    std::size_t c = 0;
    for (; c + lanes <= limit; c += lanes)
      for (std::size_t lane = 0; lane < lanes; ++lane) {
        row[c + lane] = exponential((row[c + lane] - largest) * scale);
        sums[lane] += row[c + lane];
      }
    for (std::size_t lane = 0; c + lane < limit; ++lane) {
      row[c + lane] = exponential((row[c + lane] - largest) * scale);
      sums[lane] += row[c + lane];
    }
    for (c = limit; c < t.columns; ++c) row[c] = 0;
    float sum = 0;
    for (const float s : sums) sum += s;
    t.largest[r] = largest;
    if (t.is_first) {
      t.sums[r] = sum;
      continue;
    }
    const float share = exponential((before - largest) * scale);
    t.sums[r] = sum_before * share + sum;
    if (share == 1) continue;
    float* const output = t.output + r * t.width;
    for (std::size_t k = 0; k < t.width; ++k) output[k] *= share;
  }
}

/// Probabilities of a row of keys, before dropout.
[[gnu::always_inline]] inline void probabilities_of_key(const scores_of_keys& t, std::size_t r) {
  const float *const largest = t.largest, *const shares = t.shares, scale = t.scale;
  float* const p = t.scores + r * t.columns;
  const std::size_t begin = t.begin(r);
  if (begin < t.columns) {
    REMAT_INDEPENDENT
    for (std::size_t c = 0; c < t.columns; ++c) p[c] = exponential((p[c] - largest[c]) * scale) * shares[c];
  }
  for (std::size_t c = 0; c < begin; ++c) p[c] = 0;
}

/// The gradients of the scores of a row of keys, and probabilities as they met the values.
[[gnu::always_inline]] inline void gradients_of_key(const scores_of_keys& t, std::size_t r) {
  const float* const dots = t.dots;
  float *const p = t.scores + r * t.columns, *const ds = t.gradients + r * t.columns;
  const std::size_t begin = t.begin(r);
  if (begin < t.columns && t.kept == nullptr) {
    REMAT_INDEPENDENT
    for (std::size_t c = 0; c < t.columns; ++c) ds[c] = p[c] * (ds[c] - dots[c]);
  } else if (begin < t.columns) {
    const float* const kept = t.kept + r * t.columns;
    REMAT_INDEPENDENT
    for (std::size_t c = 0; c < t.columns; ++c) {
      ds[c] = p[c] * (ds[c] * kept[c] - dots[c]);
      p[c] *= kept[c];
    }
  }
  for (std::size_t c = 0; c < begin; ++c) ds[c] = 0;
}

/// Both of all rows, where the dots are known.
REMAT_VECTORISED inline void probabilities_of_keys(const scores_of_keys& t) {
  for (std::size_t r = 0; r < t.rows; ++r) {
    probabilities_of_key(t, r);
    gradients_of_key(t, r);
  }
}

/// Both of all rows, where these are all keys, and the dots.
REMAT_VECTORISED inline void probabilities_of_all_keys(const scores_of_keys& t) {
  float* const dots = t.dots;
  for (std::size_t c = 0; c < t.columns; ++c) dots[c] = 0;
  for (std::size_t r = 0; r < t.rows; ++r) {
    probabilities_of_key(t, r);
    const float *const p = t.scores + r * t.columns, *const dp = t.gradients + r * t.columns;
    const std::size_t begin = t.begin(r);
    if (t.kept == nullptr) {
      for (std::size_t c = begin; c < t.columns; ++c) dots[c] += p[c] * dp[c];
    } else {
      const float* const kept = t.kept + r * t.columns;
      for (std::size_t c = begin; c < t.columns; ++c) dots[c] += p[c] * (dp[c] * kept[c]);
    }
  }
  for (std::size_t r = 0; r < t.rows; ++r) gradients_of_key(t, r);
}

REMAT_END_VECTOR_CODE

}  // namespace remat::nn::detail
