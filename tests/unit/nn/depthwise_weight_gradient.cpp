// SPDX-License-Identifier: MIT
// The gradient of depthwise weights is the naive sum's, for kernels, steps, gaps and borders of all kinds, and has the
// same bits at any number of threads.
#include <remat/nn/depthwise_weight_gradient.hpp>
#include <remat/remat.hpp>

#include <catch2/catch.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

namespace depthwise_weight_gradient_tests {

namespace detail = remat::nn::detail;
using remat::element;
using remat::nn::extents;

struct convolution {
  std::size_t channels, samples;
  extents x, kernel, stride, padding, dilation;

  detail::conv2d_attributes attributes() const {
    return {channels,
            channels,
            kernel,
            {.stride = stride, .padding = padding, .dilation = dilation, .groups = channels},
            true};
  }
  extents y() const { return detail::places(x, kernel, attributes().over); }
};

/// Numbers of bfloat16, as either type.
struct drawn {
  std::vector<float> floats;
  std::vector<remat::bfloat16> rounded;

  drawn(std::size_t count, unsigned seed) {
    std::mt19937 random(seed);
    std::normal_distribution<float> numbers;
    for (std::size_t i = 0; i < count; ++i) {
      rounded.emplace_back(numbers(random));
      floats.push_back(static_cast<float>(rounded.back()));
    }
  }
  remat::const_numbers as(element type) const {
    return {type == element::float32 ? reinterpret_cast<const std::byte*>(floats.data())
                                     : reinterpret_cast<const std::byte*>(rounded.data()),
            floats.size(), type};
  }
};

/// Added to `before`.
std::vector<float> gradient_of(const convolution& c, const drawn& x, const drawn& dy, element type, int threads,
                               const std::vector<float>& before) {
  const remat::thread_scope scope(threads);
  const detail::depthwise_weight_gradient made(c.attributes(), c.x, c.y(), c.samples);
  std::vector<float> dw = before;
  std::vector<std::byte> scratch(made.scratch_bytes() + 64, std::byte{0x7f});
  std::byte* const aligned = scratch.data() + (64 - reinterpret_cast<std::uintptr_t>(scratch.data()) % 64) % 64;
  made.execute(x.as(type), dy.as(type), {dw.data(), dw.size(), true}, aligned);
  return dw;
}

void is_naive_sum(const convolution& c) {
  const auto& [channels, samples, in, kernel, stride, padding, dilation] = c;
  const extents out = c.y();
  const drawn x(samples * in.area() * channels, 1), dy(samples * out.area() * channels, 2);
  const std::vector<float> zeros(channels * kernel.area()), ones(zeros.size(), 1.0f);
  const std::vector<float> found = gradient_of(c, x, dy, element::float32, 1, zeros);
  for (std::size_t k = 0; k < channels; ++k)
    for (std::size_t i = 0; i < kernel.height; ++i)
      for (std::size_t j = 0; j < kernel.width; ++j) {
        double sum = 0, magnitude = 0;
        for (std::size_t n = 0; n < samples; ++n)
          for (std::size_t h = 0; h < out.height; ++h)
            for (std::size_t w = 0; w < out.width; ++w) {
              const std::size_t row = h * stride.height + i * dilation.height - padding.height,
                                column = w * stride.width + j * dilation.width - padding.width;
              if (row >= in.height || column >= in.width) continue;
              const double term =
                  static_cast<double>(x.floats[((n * in.height + row) * in.width + column) * channels + k]) *
                  static_cast<double>(dy.floats[((n * out.height + h) * out.width + w) * channels + k]);
              sum += term;
              magnitude += std::abs(term);
            }
        const double error = std::abs(sum - static_cast<double>(found[(k * kernel.height + i) * kernel.width + j]));
        CHECK(error <= 8 * 0x1p-24 * magnitude);
      }
  const std::vector<float> added = gradient_of(c, x, dy, element::float32, 1, ones);
  for (std::size_t i = 0; i < added.size(); ++i) CHECK(added[i] == 1.0f + found[i]);
  for (const int threads : {1, 2, 3}) CHECK(gradient_of(c, x, dy, element::bfloat16, threads, zeros) == found);
}

TEST_CASE("a depthwise weight gradient is the naive sum's, at any number of threads and of either type") {
  for (const std::size_t channels : {2u, 15u, 16u, 17u, 40u}) {
    INFO(channels << " channels");
    is_naive_sum({channels, 3, {9, 8}, 7, 1, 3, 1});
    is_naive_sum({channels, 1, {5, 6}, 3, 1, 1, 2});
    is_naive_sum({channels, 70, {4, 5}, 5, 1, 2, 1});
  }
  is_naive_sum({18, 2, {11, 9}, 3, {2, 3}, {0, 2}, 1});
  is_naive_sum({18, 2, {11, 12}, {2, 9}, {1, 2}, {2, 9}, {3, 1}});
  is_naive_sum({3, 2, {13, 7}, 2, 5, 0, 1});  // rows that no window has
  is_naive_sum({3, 2, {4, 3}, 3, 2, 5, 1});   // windows of the border alone
  is_naive_sum({5, 2, {1, 1}, 1, 1, 0, 1});
}

}  // namespace depthwise_weight_gradient_tests
