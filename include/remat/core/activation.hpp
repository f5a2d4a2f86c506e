// SPDX-License-Identifier: MIT
/// Activations whose derivative is a function of their output, so that the operation before can apply them to what it
/// writes, and nothing else needs to be kept.
///
/// | activation | y                   | dx                  |
/// |------------|---------------------|---------------------|
/// | `relu`     | max(x, 0)           | y <= 0 ? 0 : dy     |
/// | `tanh`     | tanh(x)             | dy * (1 - y)(1 + y) |
/// | `sigmoid`  | 1 / (1 + exp(-x))   | dy * (1 - y) y      |
#pragma once

#include <remat/core/parallel.hpp>

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string_view>

namespace remat {

enum class activation : std::uint8_t { none, relu, tanh, sigmoid };

constexpr std::string_view name_of(activation a) {
  constexpr std::string_view names[] = {"none", "relu", "tanh", "sigmoid"};
  return names[static_cast<int>(a)];
}

/// A set of activations, one bit for each.
struct activations {
  std::uint8_t bits = 0;

  constexpr activations() = default;
  constexpr activations(std::initializer_list<activation> members) {
    for (activation a : members) bits = static_cast<std::uint8_t>(bits | 1u << static_cast<unsigned>(a));
  }
  constexpr bool contains(activation a) const { return (bits >> static_cast<unsigned>(a) & 1) != 0; }
};

/// The gradient of a relu's input. By value: where `dy` is loaded only for some elements, a loop over this does not
/// vectorise, and takes six times as long.
inline float relu_gradient(float y, float dy) { return y <= 0 ? 0.0f : dy; }

/// The gradient of an activation's input from its output `y` and the gradient `dy`, on the calling thread; `dx` may be
/// `dy`.
inline void differentiate(activation a, const float* y, const float* dy, float* dx, std::size_t size) {
  switch (a) {
    case activation::relu:
      return in_lanes(0, size, [=](std::size_t i) { dx[i] = relu_gradient(y[i], dy[i]); });
    case activation::tanh:
      return in_lanes(0, size, [=](std::size_t i) { dx[i] = dy[i] * ((1 - y[i]) * (1 + y[i])); });
    case activation::sigmoid:
      return in_lanes(0, size, [=](std::size_t i) { dx[i] = dy[i] * ((1 - y[i]) * y[i]); });
    case activation::none:
      return in_lanes(0, size, [=](std::size_t i) { dx[i] = dy[i]; });
  }
}

}  // namespace remat
