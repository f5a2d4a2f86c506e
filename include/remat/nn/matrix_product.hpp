// SPDX-License-Identifier: MIT
/// A product of a linear layer, in as many calls of oneDNN's matmul as product_tile.hpp says.
///
/// The parts of k are added up in their order. Where the whole is added to what its destination holds, and k has parts,
/// a part of it is computed in scratch and then added: the bits of a sum do not depend on whether it is made here or of
/// two tensors elsewhere (another stage of a pipeline).
#pragma once

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
      : matrix_product(
            which, rows, in, out, e, has_bias,
            product_tile(which, extents_of(which, rows, in, out), e.adds_to_destination, onednn::instructions())) {}
  matrix_product(product which, std::size_t rows, std::size_t in, std::size_t out, onednn::extras e, bool has_bias,
                 const product_extents& tile)
      : whole_(extents_of(which, rows, in, out)), tile_(tile), has_bias_(has_bias) {
    a_ = which == product::weight_gradient ? strides{1, whole_.m} : strides{whole_.k, 1};
    b_ = which == product::forward ? strides{1, whole_.k} : strides{whole_.n, 1};
    adds_ = e.adds_to_destination && tile_.k < whole_.k;
    reads_before_ = e.adds_to_destination && !adds_ && reads_before_adding(tile_);
    if (adds_) temporary_ = aligned(tile_.m * tile_.n * sizeof(float));
    for_each_part([&](const part& p) { parts_.push_back({p, index_of(p, e)}); });
  }

  explicit operator bool() const { return !parts_.empty(); }

  /// Room in scratch, after `own` bytes of the kernel's.
  void reserve(prepared& state, std::size_t own) const {
    for (const variant& v : variants_) reserve_scratch(state, aligned(own) + temporary_, v.primitive);
  }

  /// c = a b: (y, x, W), (dx, dy, W) or (dW, dy, x).
  void execute(std::byte* scratch, float* c, const float* a, const float* b, const float* bias = nullptr) const {
    float* const temporary = reinterpret_cast<float*>(scratch);
    for (const auto& [p, which] : parts_) {
      const onednn::primitive& call = variants_[which].primitive;
      float* const to = c + p.m * whole_.n + p.n;
      const onednn::primitive::argument source{onednn::source, a + p.m * a_.row + p.k * a_.column},
          weights{onednn::weights, b + p.k * b_.row + p.n * b_.column}, result{onednn::result, adds_ ? temporary : to};
      if (reads_before_) read(to, p.size);
      if (has_bias_ && p.k == 0)
        call.execute(scratch + temporary_, {source, weights, {onednn::bias, bias + p.n}, result});
      else
        call.execute(scratch + temporary_, {source, weights, result});
      if (adds_ && p.is_last(whole_)) add(temporary, to, p.size);
    }
  }

  /// Calls f on each primitive.
  template <class F>
  void for_each_primitive(const F& f) const {
    for (const variant& v : variants_) f(v.primitive);
  }

 private:
  struct strides {
    std::size_t row, column;
  };
  struct part {
    std::size_t m, n, k;  // where it begins
    product_extents size;

    bool is_last(const product_extents& whole) const { return k + size.k == whole.k; }
  };
  struct variant {
    product_extents size;
    bool is_first, is_last;
    onednn::primitive primitive;
  };

  template <class F>
  void for_each_part(const F& f) const {
    for (std::size_t n = 0; n < whole_.n; n += tile_.n)
      for (std::size_t m = 0; m < whole_.m; m += tile_.m)
        for (std::size_t k = 0; k < whole_.k; k += tile_.k)
          f(part{m,
                 n,
                 k,
                 {std::min(tile_.m, whole_.m - m), std::min(tile_.n, whole_.n - n), std::min(tile_.k, whole_.k - k)}});
  }

  /// The primitive of a part, made where no part before had its size and place along k.
  std::size_t index_of(const part& p, onednn::extras e) {
    using onednn::layout;
    const bool is_first = p.k == 0, is_last = p.is_last(whole_);
    for (std::size_t i = 0; i < variants_.size(); ++i) {
      const variant& v = variants_[i];
      if (v.size == p.size && v.is_first == is_first && v.is_last == is_last) return i;
    }
    const auto& [m, n, k] = p.size;
    e.adds_to_destination = is_first ? e.adds_to_destination && !adds_ : true;
    if (!is_last) e.after = activation::none;
    variants_.push_back({p.size, is_first, is_last,
                         onednn::matrix_product(
                             layout::strided({m, k}, {a_.row, a_.column}), layout::strided({k, n}, {b_.row, b_.column}),
                             layout::strided({m, n}, {adds_ ? n : whole_.n, 1}), e, has_bias_ && is_first ? n : 0)});
    return variants_.size() - 1;
  }

  /// Brings a part of the destination into the cache, line by line in the order of memory.
  void read(const float* values, const product_extents& size) const {
    constexpr std::size_t line = 64 / sizeof(float);
    parallel_for(size.m, 1 + 8192 / size.n, [=, this, n = size.n](std::size_t begin, std::size_t end) {
      for (std::size_t row = begin; row < end; ++row)
        for (std::size_t i = 0; i < n; i += line)
          static_cast<void>(*static_cast<const volatile float*>(values + row * whole_.n + i));
    });
  }

  void add(const float* values, float* to, const product_extents& size) const {
    parallel_for(size.m, 1 + 8192 / size.n, [=, this, n = size.n](std::size_t begin, std::size_t end) {
      for (std::size_t row = begin; row < end; ++row) {
        float* const sum = to + row * whole_.n;
        const float* const added = values + row * n;
        in_lanes(0, n, [=](std::size_t i) { sum[i] += added[i]; });
      }
    });
  }

  product_extents whole_{}, tile_{};
  strides a_{}, b_{};
  bool has_bias_ = false;
  bool adds_ = false;          // by way of scratch
  bool reads_before_ = false;  // what it adds to
  std::size_t temporary_ = 0;
  std::vector<variant> variants_;
  std::vector<std::pair<part, std::size_t>> parts_;  // and which variant computes it
};

}  // namespace remat::nn::detail
