// SPDX-License-Identifier: MIT
/// Inner loops of naive layers, which are compiled with optimisation where the tests are not.
#pragma once

#include <cstddef>
#include <span>

namespace naive {

double product(const float* a, const float* b, std::size_t size);

/// to[i] += factor * of[i]
void add(double factor, const float* of, std::size_t size, double* to);

/// One extent of a convolution's input, kernel and the places of its output.
struct extent {
  std::size_t input, kernel, output, stride, padding, dilation;
};
struct convolution {
  std::size_t samples, channels, out, groups;
  extent height, width;
};
/// Images with channels last, and weights with them first; in double, rounded once.
void convolve(const convolution& c, std::span<const float> x, std::span<const float> w, std::span<const float> bias,
              std::span<float> y);

}  // namespace naive
