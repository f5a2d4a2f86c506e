// SPDX-License-Identifier: MIT
/// A product of a linear layer, in as many calls of oneDNN's matmul as product_tile.hpp says. Where it says so, b is
/// packed before (packed_columns.hpp), and calls have parts of m alone.
///
/// Calls have parts of m and of k. Parts of n are matrices side by side (onednn_layout.hpp), which one call multiplies
/// one after another. Every call has matrices whose lines follow one another in memory, for which oneDNN takes nothing
/// from the heap; where a part's do not, it is copied into scratch before (product_operand.hpp).
///
/// The parts of k are added up in their order. Where the whole is added to what its destination holds, and k has parts
/// of ours or of oneDNN's (of its gemm, which is all there is without AVX-512), a part of it is computed in scratch and
/// then added: the bits of a sum do not depend on whether it is made here or of two tensors elsewhere (another stage of
/// a pipeline).
#pragma once

#include <remat/core/parallel.hpp>
#include <remat/core/thread_scope.hpp>
#include <remat/nn/packed_columns.hpp>
#include <remat/nn/product_operand.hpp>
#include <remat/nn/product_tile.hpp>
#include <remat/nn/scratch.hpp>

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

namespace remat::nn::detail {

class matrix_product {
 public:
  matrix_product() = default;
  /// Of rows (rows, In), weights (Out, In) and results (rows, Out). A forward product may have a bias (Out) and an
  /// activation; the gradients may be added to their destinations.
  matrix_product(product which, std::size_t rows, std::size_t in, std::size_t out, onednn::extras e = {},
                 bool has_bias = false)
      : matrix_product(which, rows, in, out, e, has_bias,
                       product_tile(which, extents_of(which, rows, in, out), e.adds_to_destination, this_processor(),
                                    primitive_threads()),
                       packs_columns(which, extents_of(which, rows, in, out), this_processor())) {}
  matrix_product(product which, std::size_t rows, std::size_t in, std::size_t out, onednn::extras e, bool has_bias,
                 const product_extents& tile, bool packs = false)
      : whole_(extents_of(which, rows, in, out)),
        tile_(packs ? product_extents{tile.m, whole_.n, whole_.k} : tile),
        a_(which == product::weight_gradient, whole_.m, whole_.k, tile_.m, tile_.k),
        b_(which == product::forward, whole_.k, whole_.n, tile_.k, whole_.n),
        has_bias_(has_bias),
        adds_through_scratch_(e.adds_to_destination && (tile_.k < whole_.k || this_processor() == processor::other)) {
    if (packs) columns_ = {whole_.k, whole_.n, which == product::forward, element::float32};
    if (whole_.n % tile_.n != 0) tile_.n = whole_.n;
    is_plain_ = has_bias || packs || tile_ == whole_;  // a row of bias is for one matrix
    if (adds_through_scratch_) temporary_ = aligned(tile_.m * whole_.n * sizeof(float));
    reads_destination_ = e.adds_to_destination && !adds_through_scratch_ && reads_before_adding(tile_, whole_);
    reads_weights_ = which == product::input_gradient && tile_.k < whole_.k;
    e.adds_to_destination = e.adds_to_destination && !adds_through_scratch_;
    for_each_part([&](const part& p) { parts_.push_back({p, index_of(p, e)}); });
  }

  explicit operator bool() const { return !parts_.empty(); }

  /// Room in scratch, after `own` bytes of the kernel's.
  void reserve(prepared& state, std::size_t own) const {
    for (const variant& v : variants_) reserve_scratch(state, aligned(own) + scratch_bytes(), v.primitive);
  }

  /// c = a b: (y, x, W), (dx, dy, W) or (dW, dy, x).
  void execute(std::byte* scratch, float* c, const float* a, const float* b, const float* bias = nullptr) const {
    const auto at = [scratch](std::size_t bytes) { return reinterpret_cast<float*>(scratch + bytes); };
    float *const temporary = at(0), *const packed_a = at(temporary_),
                 *const packed_b = at(temporary_ + a_.packed_bytes());
    if (columns_) pack(b, packed_b);
    std::byte* const own = scratch + scratch_bytes();
    for (const auto& [p, which] : parts_) {
      const auto& [rows, depth] = p.size;
      const float* const left = a_.part(a, p.m, p.k, rows, depth, packed_a);
      const float* const right = columns_ ? packed_b : b_.part(b, p.k, 0, depth, whole_.n, packed_b);
      float* const to = c + p.m * whole_.n;
      if (reads_destination_) read(to, rows * whole_.n);
      if (reads_weights_) read(right, depth * whole_.n);
      const onednn::primitive& call = variants_[which].primitive;
      const onednn::primitive::argument source{onednn::source, left}, weights{onednn::weights, right},
          result{onednn::result, adds_through_scratch_ ? temporary : to};
      if (has_bias_ && p.k == 0)
        call.execute(own, {source, weights, {onednn::bias, bias}, result});
      else
        call.execute(own, {source, weights, result});
      if (adds_through_scratch_ && p.is_last(whole_))
        elementwise(rows * whole_.n, [to, temporary](std::size_t i) { to[i] += temporary[i]; });
    }
  }

  /// Calls f on each primitive.
  template <class F>
  void for_each_primitive(const F& f) const {
    for (const variant& v : variants_) f(v.primitive);
  }

 private:
  struct extents {
    std::size_t m, k;

    friend constexpr bool operator==(const extents&, const extents&) = default;
  };
  struct part {
    std::size_t m, k;  // where it begins
    extents size;

    bool is_last(const product_extents& whole) const { return k + size.k == whole.k; }
  };
  struct variant {
    extents size;
    bool is_first, is_last;
    onednn::primitive primitive;
  };

  template <class F>
  void for_each_part(const F& f) const {
    for (std::size_t m = 0; m < whole_.m; m += tile_.m)
      for (std::size_t k = 0; k < whole_.k; k += tile_.k)
        f(part{m, k, {std::min(tile_.m, whole_.m - m), std::min(tile_.k, whole_.k - k)}});
  }

  /// The primitive of a part, made where no part before had its size and place along k.
  std::size_t index_of(const part& p, onednn::extras e) {
    const bool is_first = p.k == 0, is_last = p.is_last(whole_);
    for (std::size_t i = 0; i < variants_.size(); ++i) {
      const variant& v = variants_[i];
      if (v.size == p.size && v.is_first == is_first && v.is_last == is_last) return i;
    }
    if (!is_first) e.adds_to_destination = true;
    if (!is_last) e.after = activation::none;
    variants_.push_back({p.size, is_first, is_last, made(p.size, e, has_bias_ && is_first)});
    return variants_.size() - 1;
  }

  onednn::primitive made(const extents& size, const onednn::extras& e, bool with_bias) const {
    using onednn::layout;
    const auto& [m, k] = size;
    const std::size_t n = whole_.n;
    const auto plain = [](const product_operand& o, std::size_t rows, std::size_t columns) {
      return o.is_transposed() ? layout::transposed(rows, columns) : layout::row_major({rows, columns});
    };
    if (is_plain_)
      return onednn::matrix_product(plain(a_, m, k), columns_ ? columns_.layout() : plain(b_, k, n),
                                    layout::row_major({m, n}), e, with_bias ? n : 0);
    return onednn::matrix_product(
        layout::shared_by_all(m, k, a_.is_transposed()),
        b_.is_transposed() ? layout::side_by_side_transposed(k, n, tile_.n) : layout::side_by_side(k, n, tile_.n),
        layout::side_by_side(m, n, tile_.n), e);
  }

  /// Bytes before what primitives ask for.
  std::size_t scratch_bytes() const {
    return temporary_ + a_.packed_bytes() + (columns_ ? aligned(columns_.layout().bytes()) : b_.packed_bytes());
  }

  void pack(const float* b, float* to) const {
    columns_.pack({reinterpret_cast<const std::byte*>(b), whole_.k * whole_.n, element::float32},
                  reinterpret_cast<std::byte*>(to));
  }

  /// Brings values into the cache in the order of memory, line by line.
  static void read(const float* values, std::size_t count) {
    constexpr std::size_t line = 64 / sizeof(float);
    parallel_for(count, grain_of_numbers, [values](std::size_t begin, std::size_t end) {
      for (std::size_t i = begin; i < end; i += line)
        static_cast<void>(*static_cast<const volatile float*>(values + i));
    });
  }

  product_extents whole_{}, tile_{};
  product_operand a_, b_;
  packed_columns columns_;  // b as a whole, or nothing
  bool is_plain_ = true;    // in calls on matrices, and not on matrices side by side
  bool has_bias_ = false;
  bool adds_through_scratch_ = false;
  bool reads_destination_ = false, reads_weights_ = false;  // before a call
  std::size_t temporary_ = 0;                               // bytes of a part of the result
  std::vector<variant> variants_;
  std::vector<std::pair<part, std::size_t>> parts_;  // and which variant computes it
};

}  // namespace remat::nn::detail
