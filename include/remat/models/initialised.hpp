// SPDX-License-Identifier: MIT
/// Layers that start as those of published transformers do: weights normal with a deviation, biases 0. They are the
/// layers of nn/ in all else.
#pragma once

#include <remat/core/parameter.hpp>
#include <remat/nn/bias.hpp>
#include <remat/nn/embedding.hpp>
#include <remat/nn/linear.hpp>
#include <remat/nn/linear_cross_entropy.hpp>
#include <remat/nn/positional_embedding.hpp>
#include <remat/nn/real.hpp>
#include <remat/nn/weight_and_bias.hpp>

#include <array>
#include <cstddef>

namespace remat::models::detail {

/// Zeros for a deviation of 0, and not the -0 of half of the random numbers.
constexpr initial normal(double deviation) {
  return deviation == 0 ? initial::constant(0) : initial::normal(deviation);
}

template <std::size_t In, std::size_t Out, nn::real Deviation = 0.02, nn::bias Bias = nn::bias::with>
struct linear : nn::linear<In, Out, Bias> {
  static constexpr auto parameters =
      nn::detail::with_bias<Bias>(parameter("weight", {Out, In}, normal(Deviation.value)), Out, initial::constant(0));
};

/// Hugging Face's `Conv1D(Out, In)`, a linear layer whose weight files have as (In, Out).
template <std::size_t In, std::size_t Out, nn::real Deviation = 0.02>
struct conv1d : nn::linear<In, Out> {
  static constexpr auto parameters = nn::detail::with_bias<nn::bias::with>(
      parameter("weight", {Out, In}, normal(Deviation.value)).transposed_in_files(), Out, initial::constant(0));
};

template <std::size_t V, std::size_t D, nn::real Deviation = 0.02>
struct embedding : nn::embedding<V, D> {
  static constexpr std::array parameters{parameter("weight", {V, D}, normal(Deviation.value))};
};

template <std::size_t T, std::size_t D, nn::real Deviation = 0.02, std::size_t First = 0>
struct positional_embedding : nn::positional_embedding<T, D, First> {
  static constexpr std::array parameters{parameter("weight", {T, D}, normal(Deviation.value))};
};

template <std::size_t In, std::size_t Classes, nn::real Deviation, class... Options>
struct linear_cross_entropy : nn::linear_cross_entropy<In, Classes, nn::bias::without, Options...> {
  static constexpr std::array parameters{parameter("weight", {Classes, In}, normal(Deviation.value))};
};

}  // namespace remat::models::detail
