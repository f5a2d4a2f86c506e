// SPDX-License-Identifier: MIT
/// The product of two or more tensors of one shape, element by element, from left to right. Backward reads the inputs:
/// the gradient of each is that of the output times the others.
#pragma once

#include <remat/core/module.hpp>
#include <remat/nn/vectorised.hpp>

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

}  // namespace detail

struct multiply : module {
  static constexpr std::string_view kind = "multiply";
  template <class X, std::same_as<X>... Rest>
    requires(sizeof...(Rest) > 0)
  static X output(X, Rest...);
  static constexpr reads backward_input_reads = reads::inputs;

  static void forward(const forward_pass& pass) {
    factors all;
    for (int i = 0; i < pass.inputs(); ++i) all.add(pass.input(i).data());
    float* const y = pass.output().data();
    parallel_for(pass.output().size(), grain, [&](std::size_t begin, std::size_t end) {
      detail::multiply_elements(all.addresses, all.count, y, false, begin, end);
    });
  }

  /// All gradients of some elements after another, while what they read is in the cache.
  static void backward_input(const backward_pass& pass) {
    parallel_for(pass.output_gradient().size(), grain, [&](std::size_t begin, std::size_t end) {
      for (std::size_t first = begin; first < end; first += grain)
        for (int i = 0; i < pass.inputs(); ++i) {
          if (!pass.wants_input_gradient(i)) continue;
          factors others;
          others.add(pass.output_gradient().data());
          for (int k = 0; k < pass.inputs(); ++k)
            if (k != i) others.add(pass.input(k).data());
          const destination dx = pass.input_gradient(i);
          detail::multiply_elements(others.addresses, others.count, dx.data(), dx.accumulates(), first,
                                    end - first < grain ? end : first + grain);
        }
    });
  }

 private:
  static constexpr std::size_t grain = 4096;

  struct factors {
    const float* addresses[kernel_call::max_tensors + 1] = {};
    std::size_t count = 0;

    void add(const float* factor) { addresses[count++] = factor; }
  };
};

}  // namespace remat::nn

REMAT_COMPILED_KERNELS(multiply)
