// SPDX-License-Identifier: MIT
/// Dropout (Srivastava et al. 2014): in training each element is zero with probability P, and the others are scaled by
/// 1 / (1 - P). Backward reads nothing: the mask is drawn again from the same Philox counters, in any order.
#pragma once

#include <remat/core/module.hpp>

#include <ratio>
#include <string_view>

namespace remat::nn {
namespace detail {

struct dropout_attributes {
  float probability, scale;
};

struct dropout_kernels {
  static void forward(const forward_pass& pass) {
    const std::span<const float> x = pass.input();
    float* const y = pass.output().data();
    if (pass.training()) {
      apply(pass.random(), pass.attributes<dropout_attributes>(), x.size(),
            [=](std::size_t i, float factor) { y[i] = factor == 0 ? 0.0f : x[i] * factor; });
    } else if (y != x.data()) {
      elementwise(x.size(), [y, from = x.data()](std::size_t i) { y[i] = from[i]; });
    }
  }
  static void backward_input(const backward_pass& pass) {
    const float* const dy = pass.output_gradient().data();
    const destination dx = pass.input_gradient();
    float* const to = dx.data();
    const auto& a = pass.attributes<dropout_attributes>();
    if (dx.accumulates())
      apply(pass.random(), a, dx.size(),
            [=](std::size_t i, float factor) { to[i] += factor == 0 ? 0.0f : dy[i] * factor; });
    else
      apply(pass.random(), a, dx.size(),
            [=](std::size_t i, float factor) { to[i] = factor == 0 ? 0.0f : dy[i] * factor; });
  }

 private:
  /// Calls f(i, factor) for every element; the factor is 0 or the scale.
  template <class F>
  static void apply(const random_stream& random, const dropout_attributes& a, std::size_t size, const F& f) {
    parallel_for(size, 1024, [&](std::size_t begin, std::size_t end) {
      for (std::size_t i = begin; i < end; i += 4) {
        const auto bits = random.block(i / 4);
        for (std::size_t lane = 0; lane < 4 && i + lane < end; ++lane)
          f(i + lane, random_stream::uniform(bits[lane]) < a.probability ? 0.0f : a.scale);
      }
    });
  }
};

template <class Probability>
struct dropout_probability {
  static constexpr bool holds = true;
  static_assert(Probability::num >= 0 && Probability::num < Probability::den,
                "remat: a dropout's probability is at least 0 and below 1; give it as a std::ratio in between");
};

constexpr dropout_attributes dropout_of(double dropped, double of) {
  return {static_cast<float>(dropped / of), dropped < of ? static_cast<float>(of / (of - dropped)) : 0};
}

}  // namespace detail

/// PyTorch's `Dropout(p)`, p as a ratio: `dropout<>` is 0.5, `dropout<std::ratio<1, 4>>` is 0.25.
template <class Probability = std::ratio<1, 2>>
struct dropout : module {
  static_assert(detail::dropout_probability<Probability>::holds);

  static constexpr std::string_view kind = "dropout";
  template <std::size_t... Extents>
  static tensor<float, Extents...> output(tensor<float, Extents...>);
  static constexpr bool in_place = true;

  static constexpr detail::dropout_attributes attributes = detail::dropout_of(Probability::num, Probability::den);
  using kernels = detail::dropout_kernels;
};

}  // namespace remat::nn
