// SPDX-License-Identifier: MIT
/// A layer of some size as a value: its kernels, what they are told, and what they must compute.
#pragma once

#include <remat/remat.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "random_source.hpp"

namespace fuzz {

inline constexpr double unit_roundoff = 0x1p-24;
inline constexpr double bfloat16_roundoff = 0x1p-8;

/// A number that a kernel must compute: |y - value| <= (products + 8) 2^-24 magnitude + more, where value is a sum of
/// that many products, and magnitude is the sum of their absolute values. With a magnitude of 0 it must be exact.
struct expected {
  double value = 0, magnitude = 0;
  double products = 0;
  double more = 0;

  double bound() const { return (products + 8) * unit_roundoff * magnitude + more; }
  void add(double a, double b = 1) {
    value += a * b;
    magnitude += std::abs(a * b);
    products += 1;
  }
};
using expectation = std::vector<expected>;

/// What a reference may read.
struct values {
  std::vector<std::vector<float>> inputs;           ///< empty where one holds integers
  std::vector<std::vector<std::int32_t>> integers;  ///< empty where one holds floats
  std::vector<std::vector<float>> parameters, states;
  bool training = true;
  double roundoff = 0;        ///< relative error of a factor that the kernel computes itself and rounds for a product
  std::vector<float> output;  ///< what forward gave
  std::vector<float> output_gradient;
};

struct layer_case {
  std::string layer, sizes;  ///< "conv2d", "8 to 16 channels, ..."
  const remat::kernel_table* kernels = nullptr;
  std::shared_ptr<const void> attributes;
  std::vector<remat::tensor_shape> inputs, saved;
  remat::tensor_shape output;
  std::vector<std::size_t> parameters;  ///< elements
  std::vector<std::size_t> states;      ///< elements; positive numbers
  std::size_t integers_below = 1;
  bool ignores_some = false;  ///< of the integers, but not the first: they are -100
  float input_scale = 1;      ///< inputs are less than it
  std::size_t batch = 1;
  remat::activations fuses;
  bool works_in_place = false;
  bool multiplies_bfloat16 = false;  ///< it may compute with it: sums of products of its inputs
  bool gives_float32 = false;        ///< also then
  bool computes_samples_apart = false;
  bool takes_bfloat16 = false;  ///< any of its tensors may be of it, and only what it writes is rounded

  std::function<expectation(const values&)> forward;  ///< without a fused activation
  std::function<expectation(const values&)> input_gradient;
  std::function<expectation(const values&, std::size_t)> parameter_gradient;
};

template <class... Extents>
remat::tensor_shape floats(Extents... extents) {
  return {remat::element::float32, true, sizeof...(extents), {extents...}};
}
inline remat::tensor_shape images(std::size_t channels, std::size_t height, std::size_t width) {
  return {remat::element::float32, true, 3, {channels, height, width}, remat::memory_layout::channels_last};
}
template <class... Extents>
remat::tensor_shape integers(Extents... extents) {
  return {remat::element::int32, true, sizeof...(extents), {extents...}};
}

/// "a 1, b 2 x 3" of pairs of a name and a number, or two.
inline std::string listed(std::initializer_list<std::pair<const char*, remat::nn::extents>> numbers) {
  std::string made;
  for (const auto& [name, number] : numbers) {
    made += (made.empty() ? "" : ", ") + std::string(name) + " " + std::to_string(number.height);
    if (number.width != number.height) made += " x " + std::to_string(number.width);
  }
  return made;
}

}  // namespace fuzz
