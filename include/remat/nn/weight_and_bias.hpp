// SPDX-License-Identifier: MIT
/// The parameters of a linear layer or a convolution: a weight and, where it has one, a bias, with PyTorch's names and
/// initial values.
#pragma once

#include <remat/core/parameter.hpp>
#include <remat/nn/bias.hpp>

#include <array>
#include <cstddef>
#include <initializer_list>

namespace remat::nn::detail {

/// The weight, and a bias of `outputs` outputs or output channels that starts like this.
template <bias Bias>
constexpr auto with_bias(const parameter& weight, std::size_t outputs, initial start) {
  if constexpr (Bias == bias::with)
    return std::array{weight, parameter("bias", {outputs}, start)};
  else
    return std::array{weight};
}

/// Where each output reads `fan_in` numbers.
template <bias Bias>
constexpr auto weight_and_bias(std::initializer_list<std::size_t> extents, std::size_t outputs, std::size_t fan_in) {
  const initial start = initial::uniform_fan_in(fan_in);
  return with_bias<Bias>(parameter("weight", extents, start), outputs, start);
}

}  // namespace remat::nn::detail
