// SPDX-License-Identifier: MIT
/// How a linear layer's three products are cut into calls of oneDNN's matmul: a rule of shape and instruction set,
/// never of a timing, so that the same network has the same bits on every run, under every policy.
///
///     forward            y  = x W^T     (rows, Out) = (rows, In) (In, Out)       W is read along its rows
///     input_gradient     dx = dy W      (rows, In) = (rows, Out) (Out, In)
///     weight_gradient    dW = dy^T x    (Out, In) = (Out, rows) (rows, In)
///
/// All are c (m, n) = a (m, k) b (k, n). oneDNN 2.6's own blocking is within a few percent of the best call where n and
/// k are about 1,024, and falls off elsewhere. Measured at 1 thread, GFLOP/s, as one call and in tiles (AVX-512, 2.6
/// GHz, peak about 280; `benchmarks/run --products` measures again):
///
/// | product         | m x n x k          | one call | tiles | sgemm      | packed weights, packing timed in |
/// |-----------------|--------------------|----------|-------|------------|----------------------------------|
/// | forward         | 1024 x 3072 x 768  | 233      | 248   | 249        | 228                              |
/// | input_gradient  | 1024 x 768 x 3072  | 185      | 245   | 235        | 236                              |
/// | input_gradient  | 1024 x 3072 x 768  | 192      | 249   | 254        | 236                              |
/// | input_gradient  | 64 x 768 x 50257   | 128      | 243   | 240        | 135                              |
/// | weight_gradient | 768 x 3072 x 1024  | 210      | 247   | 249        | 221                              |
/// | weight_gradient | 4096 x 1024 x 1024 | 224      | 240   | 240        | 230                              |
/// | weight_gradient | 50257 x 768 x 64   | 165      | 213   | 243        | 212                              |
///
/// oneDNN's sgemm and packing win nowhere by more than tiles do, but for the last; both need memory of the size of the
/// operands, sgemm takes it from the heap at each call, and it has no post-operations. Nor are tiles free of that: a part
/// of a matrix, whose rows lie apart, goes to oneDNN's gemm, which takes from the heap what it packs, for the time of a
/// call: 74 KB to 0.8 MB in the networks that tests/unit/run/allocations.cpp measures.
///
/// Where a gradient is added to what a micro-batch before has left, reading and writing c bounds a product of few rows:
/// 128 flops for 8 bytes at 64 rows. oneDNN adds to a large c at half the rate that it writes one with, wherever c
/// comes from memory; in parts that fit the cache, and read in one go before a call where rows are few, most of that
/// is gone. dW of 1024 x 1024, out of 64 MB of gradients, milliseconds:
///
/// | rows | written | added in one call | in parts | in parts, read before |
/// |------|---------|-------------------|----------|-----------------------|
/// | 64   | 0.56    | 1.18              | 0.98     | 0.70                  |
/// | 128  | 1.13    | 1.72              | 1.20     | 1.26                  |
/// | 256  | 2.22    | 2.88              | 2.31     | 2.35                  |
/// | 512  | 4.40    | 5.06              | 4.46     | 4.52                  |
///
/// In the same way dx of at most 128 rows gains from parts of 512 of k, rows of W that follow one another in memory:
/// 0.60 for 0.82 ms at 64 rows.
///
/// On the cores that have AMX (Sapphire Rapids) one call of 1024 x 3072 x 768 falls further, to 60 to 66 of 150, and is
/// a tenth below sgemm in every forward product of 1,024 rows (141 of 156), while 256 x 1024 x 1024 reaches 178,
/// 171 and 164, more than any call does on more rows: there m is cut into 256, too.
#pragma once

#include <remat/nn/onednn_instructions.hpp>

#include <cstddef>

namespace remat::nn::detail {

enum class product { forward, input_gradient, weight_gradient };

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

/// The length of the fewest equal parts of at most `longest`, in whole vectors of a kernel.
constexpr std::size_t equal_part(std::size_t extent, std::size_t longest) {
  constexpr std::size_t unit = 64;
  const std::size_t parts = (extent + longest - 1) / longest;
  if (parts <= 1) return extent;
  return ((extent + parts - 1) / parts + unit - 1) / unit * unit;
}

/// Bytes of a result that stay in a core's cache while a call adds to them.
inline constexpr std::size_t added_in_cache = std::size_t{2} << 20;

/// Whether what a product is added to is read before: where adding takes longer than multiplying.
constexpr bool reads_before_adding(const product_extents& part) {
  constexpr std::size_t few = 128, worth_a_loop = std::size_t{256} << 10;
  return part.k < few && part.m * part.n * sizeof(float) >= worth_a_loop;
}

/// The largest part of the product that one call computes; those at the ends may be smaller. `adds` says whether the
/// product is added to what its destination holds.
constexpr product_extents product_tile(product which, const product_extents& whole, bool adds,
                                       onednn::instruction_set set) {
  if (set == onednn::instruction_set::other) return whole;  // another implementation, without these holes
  const bool amx = set == onednn::instruction_set::amx;
  constexpr std::size_t few_rows = 256, longest = 1536;
  product_extents tile = whole;
  if (amx)
    tile.m = equal_part(whole.m, 256);
  else if (which == product::weight_gradient && whole.m >= 4096)
    tile.m = 1024;
  // W is copied along k for each part of n, which few rows do not repay.
  if (which != product::forward || whole.m > few_rows) tile.n = equal_part(whole.n, amx ? 1024 : longest);
  // Elsewhere k is the batch's rows, which oneDNN's own blocking cuts as well, or is one with the copy of W.
  if (which == product::input_gradient) tile.k = equal_part(whole.k, whole.m <= 128 ? 512 : longest);
  if (!adds || whole.k > 512 || tile.m * tile.n * sizeof(float) <= added_in_cache) return tile;
  if (reads_before_adding(tile) || tile.n < 1024)
    tile.m = equal_part(tile.m, added_in_cache / sizeof(float) / tile.n);
  else
    tile.n = equal_part(tile.n, 512);
  return tile;
}

}  // namespace remat::nn::detail
