// SPDX-License-Identifier: MIT
#include "naive_sums.hpp"

#include <cstddef>
#include <span>

namespace naive {
namespace {

/// The element of the input that an element of the kernel meets at a place of the output; outside of the padding it is
/// not below the extent.
std::size_t met(const extent& e, std::size_t place, std::size_t of_kernel) {
  return place * e.stride + of_kernel * e.dilation - e.padding;
}

}  // namespace

double product(const float* a, const float* b, std::size_t size) {
  double sum = 0;
  for (std::size_t i = 0; i < size; ++i) sum += static_cast<double>(a[i]) * static_cast<double>(b[i]);
  return sum;
}

void add(double factor, const float* of, std::size_t size, double* to) {
  for (std::size_t i = 0; i < size; ++i) to[i] += factor * static_cast<double>(of[i]);
}

void convolve(const convolution& c, std::span<const float> x, std::span<const float> w, std::span<const float> bias,
              std::span<float> y) {
  const std::size_t in = c.channels / c.groups, area = c.height.kernel * c.width.kernel;
  std::size_t written = 0;
  for (std::size_t n = 0; n < c.samples; ++n)
    for (std::size_t r = 0; r < c.height.output; ++r)
      for (std::size_t q = 0; q < c.width.output; ++q)
        for (std::size_t o = 0; o < c.out; ++o) {
          const std::size_t first = o / (c.out / c.groups) * in;
          double sum = bias[o];
          for (std::size_t i = 0; i < c.height.kernel; ++i)
            for (std::size_t j = 0; j < c.width.kernel; ++j) {
              const std::size_t h = met(c.height, r, i), v = met(c.width, q, j);
              if (h >= c.height.input || v >= c.width.input) continue;
              const float* const from = &x[((n * c.height.input + h) * c.width.input + v) * c.channels + first];
              const float* const weight = &w[o * in * area + i * c.width.kernel + j];
              for (std::size_t k = 0; k < in; ++k)
                sum += static_cast<double>(from[k]) * static_cast<double>(weight[k * area]);
            }
          y[written++] = static_cast<float>(sum);
        }
}

}  // namespace naive
