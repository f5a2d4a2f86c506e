// SPDX-License-Identifier: MIT
/// How a linear layer's three products are cut into calls of oneDNN's matmul: a rule of shape and processor,
/// never of a timing, so that the same network has the same bits on every run, under every policy.
///
///     forward            y  = x W^T     (rows, Out) = (rows, In) (In, Out)       W is read along its rows
///     input_gradient     dx = dy W      (rows, In) = (rows, Out) (Out, In)
///     weight_gradient    dW = dy^T x    (Out, In) = (Out, rows) (rows, In)
///
/// All are c (m, n) = a (m, k) b (k, n). oneDNN 2.6's brgemm multiplies matrices whose lines follow one another in
/// memory, and takes nothing from the heap; a part with gaps between its lines goes to its gemm, which takes up to 0.8
/// MB there at each call. So a call has all of n, of which it may be told as matrices side by side: brgemm then copies
/// b into blocks of the cache's size, where it otherwise reads b in place and falls off for a wide b. Parts of a are
/// copied into scratch. Measured at 1 thread, GFLOP/s, b in the cache (Zen 5, AVX-512; `benchmarks/run --products`
/// measures again):
///
/// | product         | m x n x k          | one call | as here | sgemm |
/// |-----------------|--------------------|----------|---------|-------|
/// | forward         | 1024 x 3072 x 768  | 238      | 238     | 251   |
/// | input_gradient  | 1024 x 768 x 3072  | 199      | 244     | 246   |
/// | input_gradient  | 1024 x 3072 x 768  | 227      | 244     | 257   |
/// | input_gradient  | 1024 x 2048 x 2048 | 231      | 238     | 254   |
/// | input_gradient  | 64 x 768 x 50257   | 127      | 191     | 245   |
/// | weight_gradient | 3072 x 768 x 1024  | 247      | 247     | 248   |
/// | weight_gradient | 768 x 3072 x 1024  | 217      | 232     | 253   |
/// | weight_gradient | 50257 x 768 x 64   | 172      | 223     | 248   |
///
/// sgemm takes memory of the operands' size from the heap, and has no post-operations. A forward product is one call,
/// or one for each part of its rows: a row of bias is added to one matrix, and W^T is copied into blocks anyway.
///
/// Products of few rows are bound by memory, from which one side comes as a whole: W for dx, dW where it is added to.
/// oneDNN reads both in columns; in parts that fit the cache, and read in the order of memory before a call, they take
/// less. GFLOP/s of 1024 x 1024 weights, out of 64 MB:
///
/// | rows | dx, one call | dx, in parts, read before | dW, one call | dW, in parts, read before | dW, written |
/// |------|--------------|---------------------------|--------------|---------------------------|-------------|
/// | 64   | 163          | 201                       | 117          | 204                       | 249         |
/// | 128  | 201          | 229                       | 161          | 225                       | 255         |
/// | 256  | 227          | 241                       | 192          | 232                       | 249         |
/// | 512  |              |                           | 225          | 236                       | 257         |
///
/// On Intel's cores wider matrices side by side are faster, parts of 256 rows for y and dx, and few rows by a W that is
/// read in place unless it is of very many lines. GFLOP/s with AVX-512 (Ice Lake), operands out of 64 MB:
///
/// | product         | m x n x k          | one call | as here | as above | sgemm |
/// |-----------------|--------------------|----------|---------|----------|-------|
/// | input_gradient  | 1024 x 768 x 3072  | 123      | 150     | 143      | 152   |
/// | input_gradient  | 1024 x 3072 x 768  | 73       | 149     | 148      | 160   |
/// | input_gradient  | 256 x 1024 x 1024  | 153      | 154     | 143      | 149   |
/// | input_gradient  | 128 x 1024 x 1024  | 135      | 140     | 131      | 131   |
/// | input_gradient  | 64 x 768 x 50257   | 78       | 109     | 107      | 152   |
/// | weight_gradient | 768 x 3072 x 1024  | 55       | 112     | 104      | 127   |
///
/// Sapphire Rapids was slow in the same places (60 to 66 of 150), and in forward products of 1,024 rows (141 of 156),
/// while 256 rows by 1024 x 1024 reached 178.
#pragma once

#include <remat/nn/onednn_instructions.hpp>

#include <cstddef>

namespace remat::nn::detail {

enum class product { forward, input_gradient, weight_gradient };

/// What computes products of float32: another implementation than brgemm, or brgemm on a core with AVX-512.
enum class processor { other, avx512, intel_avx512 };

inline processor this_processor() {
  if (onednn::instructions() == onednn::instruction_set::other) return processor::other;
  return onednn::is_intel() ? processor::intel_avx512 : processor::avx512;
}

/// Extents of c (m, n) = a (m, k) b (k, n), or of a part of it.
struct product_extents {
  std::size_t m, n, k;

  friend constexpr bool operator==(const product_extents&, const product_extents&) = default;
};

constexpr product_extents extents_of(product which, std::size_t rows, std::size_t in, std::size_t out) {
  switch (which) {
    case product::forward:
      return {rows, out, in};
    case product::input_gradient:
      return {rows, in, out};
    case product::weight_gradient:
      break;
  }
  return {out, in, rows};
}

/// The width of equal parts in whole vectors of a kernel, of at most `widest` and at least half of it, or the extent
/// itself where there is none.
constexpr std::size_t equal_width(std::size_t extent, std::size_t widest) {
  constexpr std::size_t unit = 64;
  for (std::size_t width = widest; width >= widest / 2; width -= unit)
    if (extent % width == 0) return width;
  return extent;
}

/// How many lines of a matrix, in whole vectors, are a part of at most this number of bytes.
constexpr std::size_t lines_of(std::size_t bytes, std::size_t length) {
  constexpr std::size_t unit = 64;
  const std::size_t lines = bytes / sizeof(float) / length / unit * unit;
  return lines > unit ? lines : unit;
}

constexpr std::size_t bytes_of(std::size_t rows, std::size_t columns) { return rows * columns * sizeof(float); }

inline constexpr std::size_t few_rows = 256;
/// Bytes of a matrix of which a part stays in a core's cache.
inline constexpr std::size_t cached_bytes = std::size_t{1} << 20;
/// Adding sums of so few terms takes longer than computing them.
inline constexpr std::size_t few_terms = 512;

/// Whether what a part of a product is added to is read before.
constexpr bool reads_before_adding(const product_extents& part, const product_extents& whole) {
  constexpr std::size_t worth_a_loop = std::size_t{256} << 10;
  return part.k <= few_terms && bytes_of(part.m, whole.n) >= worth_a_loop;
}

/// Whether parts of W are read one after another, each before its call. Several threads each take columns of it, and
/// what one has read is far from the others.
constexpr bool reads_weights_in_parts(const product_extents& whole, processor on, int threads) {
  if (on == processor::intel_avx512 && whole.k <= 8192) return false;
  return threads == 1 && whole.m <= few_rows && bytes_of(whole.m, whole.n) <= cached_bytes &&
         bytes_of(whole.k, whole.n) > cached_bytes;
}

/// Whether dW is computed in parts, for which parts of dy are copied.
constexpr bool cuts_weight_gradient(const product_extents& whole, bool adds) {
  if (bytes_of(whole.m, whole.n) <= 2 * cached_bytes) return false;
  return adds ? whole.k <= few_terms : whole.k <= 128 && whole.m >= 4096;
}

/// Whether b is packed in panels of columns, which takes as long as what products of fewer rows gain by it. Ratios of
/// times, with packing by without (Zen 4, 1 thread and 2):
///
/// | rows-in-out    | forward    | input_gradient | weight_gradient |
/// |----------------|------------|----------------|-----------------|
/// | 2048-256-1024  | 0.98, 0.97 | 0.98, 0.96     | 1.00, 1.00      |
/// | 2048-256-256   | 0.99, 0.97 | 0.97, 0.97     | 1.01, 1.07      |
/// | 1024-1024-4096 | 1.00, 1.01 | 0.96, 0.97     | 0.96, 0.97      |
/// | 1024-3072-768  | 1.00, 1.01 | 1.00, 1.00     | 0.96, 0.98      |
/// | 512-1024-1024  | 1.03, 1.08 | 0.99, 1.00     | 0.98, 0.99      |
/// | 256-1024-1024  | 1.09, 1.04 | 1.01, 1.01     | 0.97, 0.94      |
constexpr bool packs_columns(product which, const product_extents& whole, processor on) {
  constexpr std::size_t most = std::size_t{16} << 20;  // bytes of scratch
  if (on != processor::avx512 || bytes_of(whole.k, whole.n) > most) return false;
  switch (which) {
    case product::forward:
      return whole.m >= 2048;
    case product::input_gradient:
      return whole.m >= 1024;
    case product::weight_gradient:
      break;
  }
  return whole.n >= 1024 && whole.m >= 512;
}

/// The largest part of the product that is computed at a time: of m and k by a call, of n within it. Those at the ends
/// may be smaller. `adds` says whether the product is added to what its destination holds.
constexpr product_extents product_tile(product which, const product_extents& whole, bool adds, processor on,
                                       int threads) {
  if (on == processor::other) {  // which multiplies matrices of all extents about as fast
    // What is added to a gradient is computed apart before (matrix_product.hpp), part by part; what is written is in
    // the same parts, since bits depend on them.
    const std::size_t lines = which == product::forward ? whole.m : lines_of(4 * cached_bytes, whole.n);
    return {lines < whole.m ? lines : whole.m, whole.n, whole.k};
  }
  const bool intel = on == processor::intel_avx512;
  product_extents tile = whole;
  if (which == product::weight_gradient) {
    if (whole.n > 1024) tile.n = equal_width(whole.n, whole.n >= 3072 && !intel ? 256 : 1024);
    if (cuts_weight_gradient(whole, adds)) tile.m = lines_of((adds ? 1 : 2) * cached_bytes, whole.n);
  } else {
    if (intel) tile.m = few_rows;
    if (which == product::input_gradient) {
      tile.n = equal_width(whole.n, intel ? 512 : 128);
      if (reads_weights_in_parts(whole, on, threads)) tile.k = 128;
    }
  }
  if (tile.m > whole.m) tile.m = whole.m;
  if (tile.k > whole.k) tile.k = whole.k;
  return tile;
}

}  // namespace remat::nn::detail
