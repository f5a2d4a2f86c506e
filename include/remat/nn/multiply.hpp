// SPDX-License-Identifier: MIT
/// The product of two or more tensors of one shape, element by element, from left to right. Backward reads the inputs:
/// the gradient of each is that of the output times the others.
#pragma once

#include <remat/core/module.hpp>
#include <remat/nn/floats.hpp>

#include <concepts>
#include <cstddef>
#include <string_view>

namespace remat::nn {
namespace detail {

REMAT_BEGIN_VECTOR_CODE

/// Elements [begin, end) of the product of two or more factors, a few at a time.
REMAT_VECTORISED inline void multiply_elements(const float* const* factors, std::size_t count_of_factors, float* to,
                                               bool adds, std::size_t begin, std::size_t end) {
  constexpr std::size_t few = 256;
  float product[few];
  for (std::size_t first = begin; first < end; first += few) {
    const std::size_t count = end - first < few ? end - first : few;
    const float *const a = factors[0] + first, *const b = factors[1] + first;
    float* const out = to + first;
    if (count_of_factors == 2 && !adds) {
      REMAT_INDEPENDENT
      for (std::size_t k = 0; k < count; ++k) out[k] = a[k] * b[k];
      continue;
    }
    for (std::size_t k = 0; k < count; ++k) product[k] = a[k] * b[k];
    for (std::size_t f = 2; f < count_of_factors; ++f)
      for (std::size_t k = 0; k < count; ++k) product[k] *= factors[f][first + k];
    REMAT_INDEPENDENT
    for (std::size_t k = 0; k < count; ++k) out[k] = adds ? out[k] + product[k] : product[k];
  }
}

REMAT_END_VECTOR_CODE

/// Some of the factors, and where their product is written.
class product_of_factors {
 public:
  explicit product_of_factors(const numbers& to) : to_(to) {}

  void add(const const_numbers& factor) {
    factors_[count_++] = factor;
    is_direct_ = is_direct_ && floats_in(factor).is_direct();
  }
  /// Elements [begin, end), of floats: of bfloat16 a few at a time.
  void write(std::size_t begin, std::size_t end) const {
    constexpr std::size_t few = 256;
    const floats_out out(to_);
    const std::size_t part = is_direct_ && out.is_direct() ? end - begin : few;
    alignas(64) float rooms[most + 1][few];
    const float* floats[most];
    for (std::size_t first = begin; first < end; first += part) {
      const std::size_t count = end - first < part ? end - first : part;
      for (std::size_t f = 0; f < count_; ++f) floats[f] = floats_in(factors_[f]).at(first, count, rooms[f]);
      float* const written = out.at(first, rooms[most]);
      multiply_elements(floats, count_, written, to_.accumulates, 0, count);
      out.finish(first, count, written);
    }
  }

 private:
  static constexpr std::size_t most = kernel_call::max_tensors + 1;  // the others, and the gradient

  const_numbers factors_[most];
  std::size_t count_ = 0;
  numbers to_;
  bool is_direct_ = true;
};

}  // namespace detail

struct multiply : module {
  static constexpr std::string_view kind = "multiply";
  template <class X, std::same_as<X>... Rest>
    requires(sizeof...(Rest) > 0 && shape_of<X>::value.type == element::float32)
  static X output(X, Rest...);
  static constexpr reads backward_input_reads = reads::inputs;

  static constexpr traits is{.takes_bfloat16 = true, .gives_bfloat16 = true};

  static void forward(const forward_pass& pass) {
    detail::product_of_factors all(pass.output_numbers());
    for (int i = 0; i < pass.inputs(); ++i) all.add(pass.input_numbers(i));
    parallel_for(pass.output_numbers().size, grain, [&](std::size_t begin, std::size_t end) { all.write(begin, end); });
  }

  /// All gradients of some elements after another, while what they read is in the cache.
  static void backward_input(const backward_pass& pass) {
    parallel_for(pass.output_gradient_numbers().size, grain, [&](std::size_t begin, std::size_t end) {
      for (std::size_t first = begin; first < end; first += grain)
        for (int i = 0; i < pass.inputs(); ++i) {
          if (!pass.wants_input_gradient(i)) continue;
          detail::product_of_factors others(pass.input_gradient_numbers(i));
          others.add(pass.output_gradient_numbers());
          for (int k = 0; k < pass.inputs(); ++k)
            if (k != i) others.add(pass.input_numbers(k));
          others.write(first, end - first < grain ? end : first + grain);
        }
    });
  }

 private:
  static constexpr std::size_t grain = 4096;
};

}  // namespace remat::nn

REMAT_COMPILED_KERNELS(multiply)
