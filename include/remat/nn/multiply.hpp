// SPDX-License-Identifier: MIT
/// The product of two or more tensors of one shape, element by element, from left to right. Backward reads the inputs:
/// the gradient of each is that of the output times the others.
#pragma once

#include <remat/core/module.hpp>

#include <array>
#include <concepts>
#include <cstddef>
#include <span>
#include <string_view>

namespace remat::nn {

struct multiply : module {
  static constexpr std::string_view kind = "multiply";
  template <class X, std::same_as<X>... Rest>
    requires(sizeof...(Rest) > 0)
  static X output(X, Rest...);
  static constexpr reads backward_input_reads = reads::inputs;

  static void forward(const forward_pass& pass) {
    float* const y = pass.output().data();
    const float* product = pass.input(0).data();
    for (int i = 1; i < pass.inputs(); ++i) {
      elementwise(pass.output().size(),
                  [y, product, x = pass.input(i).data()](std::size_t k) { y[k] = product[k] * x[k]; });
      product = y;
    }
  }

  static void backward_input(const backward_pass& pass) {
    for (int i = 0; i < pass.inputs(); ++i) {
      if (!pass.wants_input_gradient(i)) continue;
      std::array<const float*, call::max_tensors> factors{pass.output_gradient().data()};
      int count = 1;
      for (int k = 0; k < pass.inputs(); ++k)
        if (k != i) factors[static_cast<std::size_t>(count++)] = pass.input(k).data();
      put_product({factors.data(), static_cast<std::size_t>(count)}, pass.input_gradient(i));
    }
  }

 private:
  /// The product of two or more factors, a few elements at a time.
  static void put_product(std::span<const float* const> factors, const destination& to) {
    float* const out = to.data();
    const bool adds = to.accumulates();
    constexpr std::size_t grain = 8192, few = 64;
    parallel_for(to.size(), grain, [=](std::size_t begin, std::size_t end) {
      for (std::size_t first = begin; first < end; first += few) {
        const std::size_t count = end - first < few ? end - first : few;
        float product[few];
        for (std::size_t k = 0; k < count; ++k) product[k] = factors[0][first + k] * factors[1][first + k];
        for (const float* const factor : factors.subspan(2))
          for (std::size_t k = 0; k < count; ++k) product[k] *= factor[first + k];
        for (std::size_t k = 0; k < count; ++k) out[first + k] = adds ? out[first + k] + product[k] : product[k];
      }
    });
  }
};

}  // namespace remat::nn
