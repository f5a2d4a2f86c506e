// SPDX-License-Identifier: MIT
/// Dropout (Srivastava et al. 2014): in training each element is zero with probability P, and the others are scaled by
/// 1 / (1 - P). Backward reads nothing: the mask is drawn again from the same Philox counters, in any order.
#pragma once

#include <remat/core/module.hpp>
#include <remat/nn/copy_numbers.hpp>
#include <remat/nn/real.hpp>
#include <remat/nn/same_shape.hpp>
#include <remat/nn/vectorised.hpp>

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace remat::nn {
namespace detail {

struct dropout_attributes {
  float probability, scale;
};

REMAT_BEGIN_VECTOR_CODE

/// `size` elements of a tensor from `begin` on, a multiple of 4; y may be x. Numbers are drawn for sixteen blocks at a
/// time.
REMAT_VECTORISED inline void drop_elements(const random_stream& random, const dropout_attributes& a, const float* x,
                                           float* y, bool adds, std::size_t begin, std::size_t size) {
  constexpr std::size_t blocks = 16, words = 4;
  for (std::size_t i = 0; i < size; i += words * blocks) {
    std::uint32_t bits[words][blocks];
    for (std::size_t b = 0; b < blocks; ++b) {
      const auto drawn = random.block((begin + i) / words + b);
      for (std::size_t w = 0; w < words; ++w) bits[w][b] = drawn[w];
    }
    float kept[words * blocks];
    for (std::size_t b = 0; b < blocks; ++b)
      for (std::size_t w = 0; w < words; ++w) kept[b * words + w] = random_stream::uniform(bits[w][b]);
    const std::size_t count = size - i < words * blocks ? size - i : words * blocks;
    const float *const from = x + i, probability = a.probability, scale = a.scale;
    float* const to = y + i;
    REMAT_INDEPENDENT
    for (std::size_t k = 0; k < count; ++k) {
      const float value = from[k] * (kept[k] < probability ? 0.0f : scale);  // NaN stays
      to[k] = adds ? to[k] + value : value;
    }
  }
}

REMAT_END_VECTOR_CODE

struct dropout_kernels {
  static void forward(const forward_pass& pass) {
    const const_numbers x = pass.input_numbers();
    const numbers y = pass.output_numbers();
    if (pass.training())
      apply(pass.random(), pass.attributes<dropout_attributes>(), x, y);
    else if (y.data != x.data)
      copy_numbers(x, y);
  }
  static void backward_input(const backward_pass& pass) {
    apply(pass.random(), pass.attributes<dropout_attributes>(), pass.output_gradient_numbers(),
          pass.input_gradient_numbers());
  }

 private:
  static void apply(const random_stream& random, const dropout_attributes& a, const const_numbers& x,
                    const numbers& to) {
    in_parts(std::array{x}, to, 4096, [&](const auto& from, float* y, std::size_t first, std::size_t count) {
      drop_elements(random, a, from[0], y, to.accumulates, first, count);
    });
  }
};

template <real Probability>
struct dropout_probability {
  static constexpr bool holds = true;
  static_assert(Probability.value >= 0 && Probability.value < 1,
                "remat: a dropout's probability is at least 0 and below 1; give it one in between");
};

constexpr dropout_attributes dropout_of(double p) {
  return {static_cast<float>(p), p < 1 ? static_cast<float>(1 / (1 - p)) : 0};
}

}  // namespace detail

/// PyTorch's `Dropout(p)`: `dropout<0.1>`; `dropout<>` is 0.5.
template <real Probability = 0.5>
struct dropout : detail::same_shape {
  static_assert(detail::dropout_probability<Probability>::holds);

  static constexpr std::string_view kind = "dropout";
  static constexpr traits is{.in_place = true, .takes_bfloat16 = true, .gives_bfloat16 = true};

  static constexpr detail::dropout_attributes attributes = detail::dropout_of(Probability.value);
  using kernels = detail::dropout_kernels;
};

}  // namespace remat::nn

REMAT_COMPILED_KERNELS(detail::dropout_kernels)
