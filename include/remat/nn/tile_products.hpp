// SPDX-License-Identifier: MIT
/// Products of small matrices whose rows follow one another, each on the thread that asks for it.
#pragma once

#include <remat/core/thread_scope.hpp>
#include <remat/nn/scratch.hpp>

#include <cstddef>
#include <vector>

namespace remat::nn::detail {

/// c (m, n) of a and b, with k terms in each sum.
enum class tile_product {
  by_rows,              ///< c = a b^T     a (m, k), b (n, k)
  plain,                ///< c = a b       a (m, k), b (k, n)
  added,                ///< c += a b
  of_transposed,        ///< c = a^T b     a (k, m), b (k, n)
  added_of_transposed,  ///< c += a^T b
};

/// The products that a kernel makes, of sizes that it names before.
class tile_products {
 public:
  /// For this many threads at once, of factors of this type; sums are of float32.
  explicit tile_products(std::size_t workers = 1, element factors = element::float32)
      : workers_(workers), factors_(factors) {}

  /// One of this kind and size will be asked for.
  void want(tile_product which, std::size_t m, std::size_t n, std::size_t k) {
    for (const variant& v : all_)
      if (v.is(which, m, n, k)) return;
    const thread_scope one(1);  // primitives are made for a number of threads
    all_.push_back({which, m, n, k, made(which, m, n, k)});
    onednn::primitive& p = all_.back().primitive;
    p.serve(workers_);
    if (on_primitive != nullptr) on_primitive(p);
    if (scratch_bytes_ < p.scratch_bytes()) scratch_bytes_ = p.scratch_bytes();
  }
  /// Of each thread.
  std::size_t scratch_bytes() const { return scratch_bytes_; }

  void execute(tile_product which, std::size_t m, std::size_t n, std::size_t k, const void* a, const void* b,
               float* c, std::byte* scratch, std::size_t worker) const {
    for (const variant& v : all_) {
      if (!v.is(which, m, n, k)) continue;
      return v.primitive.execute(scratch, {{onednn::source, a}, {onednn::weights, b}, {onednn::result, c}}, worker);
    }
    throw error("a product of tiles was not prepared; this is a defect of remat");
  }

 private:
  struct variant {
    tile_product which;
    std::size_t m, n, k;
    onednn::primitive primitive;

    bool is(tile_product w, std::size_t of_m, std::size_t of_n, std::size_t of_k) const {
      return which == w && m == of_m && n == of_n && k == of_k;
    }
  };

  onednn::primitive made(tile_product which, std::size_t m, std::size_t n, std::size_t k) const {
    using enum tile_product;
    using onednn::layout;
    const bool is_turned = which == of_transposed || which == added_of_transposed;
    return onednn::matrix_product(
        (is_turned ? layout::transposed(m, k) : layout::row_major({m, k})).of(factors_),
        (which == by_rows ? layout::transposed(k, n) : layout::row_major({k, n})).of(factors_),
        layout::row_major({m, n}), {.adds_to_destination = which == added || which == added_of_transposed});
  }

  std::size_t workers_;
  element factors_;
  std::size_t scratch_bytes_ = 0;
  std::vector<variant> all_;
};

}  // namespace remat::nn::detail
