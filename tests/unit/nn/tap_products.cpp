// SPDX-License-Identifier: MIT
#include <remat/nn/tap_products.hpp>

#include "same_bits.hpp"

#include <remat/run/memory_block.hpp>

#include <catch2/catch.hpp>

#include <cmath>
#include <cstddef>
#include <random>
#include <vector>

namespace tap_products_tests {

using remat::element;
using remat::nn::extents, remat::nn::window;
using remat::nn::detail::conv2d_attributes, remat::nn::detail::tap_products, remat::nn::detail::window_axis;

struct convolution {
  conv2d_attributes a;
  extents x;
  std::size_t samples;

  extents y() const { return remat::nn::detail::places(x, a.kernel, a.over); }
};

/// Integers, of which sums are exact, in any order and as bfloat16.
std::vector<float> integers(std::size_t size, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<float> made(size);
  for (float& each : made) each = static_cast<float>(random() % 17) - 8;
  return made;
}

/// Numbers as they are in memory.
class stored {
 public:
  stored(const std::vector<float>& values, element type) : size_(values.size()), type_(type) {
    for (const float each : values) {
      if (type == element::float32) floats_.push_back(each);
      if (type == element::bfloat16) rounded_.push_back(remat::bfloat16(each));
    }
  }
  remat::const_numbers view() const {
    const void* const data = type_ == element::float32 ? static_cast<const void*>(floats_.data()) : rounded_.data();
    return {static_cast<const std::byte*>(data), size_, type_};
  }

 private:
  std::size_t size_;
  element type_;
  std::vector<float> floats_;
  std::vector<remat::bfloat16> rounded_;
};

/// (Out, In, KH, KW)
std::vector<float> naive(const convolution& c, const std::vector<float>& x, const std::vector<float>& dy) {
  const conv2d_attributes& a = c.a;
  const extents y = c.y();
  std::vector<float> dw(a.kernel.area() * a.in * a.out);
  for (std::size_t n = 0; n < c.samples; ++n)
    for (std::size_t p = 0; p < y.area(); ++p)
      for (std::size_t k = 0; k < a.kernel.area(); ++k) {
        const std::size_t row = p / y.width * a.over.stride.height + k / a.kernel.width * a.over.dilation.height,
                          column = p % y.width * a.over.stride.width + k % a.kernel.width * a.over.dilation.width;
        if (row < a.over.padding.height || row - a.over.padding.height >= c.x.height) continue;
        if (column < a.over.padding.width || column - a.over.padding.width >= c.x.width) continue;
        const std::size_t at =
            (n * c.x.height + row - a.over.padding.height) * c.x.width + column - a.over.padding.width;
        for (std::size_t i = 0; i < a.in; ++i)
          for (std::size_t o = 0; o < a.out; ++o)
            dw[(o * a.in + i) * a.kernel.area() + k] += x[at * a.in + i] * dy[(n * y.area() + p) * a.out + o];
      }
  return dw;
}

const convolution convolutions[] = {
    {{16, 24, 3, {.stride = 1, .padding = 1}, false}, 4, 5},
    {{7, 5, 3, {.stride = 2, .padding = 1}, false}, 7, 3},
    {{3, 9, 3, {.stride = 1, .padding = 1}, false}, 1, 4},  // eight taps see padding alone
    {{5, 3, {2, 3}, {.stride = {2, 1}, .padding = {0, 2}}, false}, {5, 3}, 2},
    {{4, 4, 3, {.stride = 1, .padding = 2, .dilation = {2, 1}}, false}, {3, 6}, 2},
    {{2, 3, 5, {.stride = 3, .padding = 4}, false}, {4, 2}, 6},
    {{6, 6, 2, {.stride = 2}, false}, 6, 3},  // windows next to one another
    {{2, 2, 1, {.stride = 1}, false}, 3, 2},
    {{600, 10, 3, {.stride = 1, .padding = 1}, false}, 7, 40},  // in parts of some samples
};

TEST_CASE("products of taps are a convolution's weight gradient, at any number of threads") {
  for (const element factors : {element::float32, element::bfloat16})
    for (const element of_dy : {factors, element::float32})
      for (const convolution& c : convolutions) {
        if (factors == element::bfloat16 && !remat::onednn::has_bfloat16()) continue;
        CAPTURE(name_of(factors), name_of(of_dy), c.a.in, c.a.out, c.a.kernel.height, c.a.kernel.width, c.x.height);
        const std::vector<float> x = integers(c.samples * c.x.area() * c.a.in, 1),
                                 dy = integers(c.samples * c.y().area() * c.a.out, 2), expected = naive(c, x, dy);
        const stored stored_x(x, factors), stored_dy(dy, of_dy);
        for (const int threads : {1, 2, 3}) {
          const remat::thread_scope scope(threads);
          tap_products products(c.a, c.x, c.y(), c.samples, factors);
          products.prepare();
          const remat::memory_block scratch(products.scratch_bytes());
          std::vector<float> found(expected.size(), 1e9f);
          products.execute(stored_x.view(), stored_dy.view(), {found.data(), found.size(), false}, scratch.data());
          CHECK(found == expected);
          products.execute(stored_x.view(), stored_dy.view(), {found.data(), found.size(), true}, scratch.data());
          for (float& each : found) each /= 2;
          CHECK(found == expected);
        }
      }
}

TEST_CASE("sums of products of taps have the same bits at any number of threads") {
  const convolution& c = convolutions[8];
  std::vector<float> x = integers(c.samples * c.x.area() * c.a.in, 1),
                     dy = integers(c.samples * c.y().area() * c.a.out, 2);
  for (float& each : x) each = std::sin(each);
  for (float& each : dy) each = std::cos(each);
  std::vector<std::vector<float>> found;
  for (const int threads : {1, 2, 3}) {
    const remat::thread_scope scope(threads);
    tap_products products(c.a, c.x, c.y(), c.samples, element::float32);
    products.prepare();
    const remat::memory_block scratch(products.scratch_bytes());
    found.emplace_back(c.a.kernel.area() * c.a.in * c.a.out);
    products.execute(stored(x, element::float32).view(), stored(dy, element::float32).view(),
                     {found.back().data(), found.back().size(), false}, scratch.data());
    CHECK(same_bits(found.back(), found[0]));
  }
}

TEST_CASE("the outputs that reach a pixel are those whose windows have one there") {
  for (std::size_t stride = 1; stride <= 3; ++stride)
    for (std::size_t padding = 0; padding <= 4; ++padding)
      for (std::size_t size = 1; size <= 6; ++size)
        for (std::size_t offset = 0; offset <= 6; ++offset) {
          const std::size_t outputs = 5;
          const auto found = window_axis{stride, padding}.reaching(offset, size, outputs);
          for (std::size_t i = 0; i < outputs; ++i) {
            const std::size_t at = i * stride + offset;
            CHECK((i >= found.begin && i < found.end) == (at >= padding && at - padding < size));
          }
        }
}

TEST_CASE("products of taps are taken where padding is much of a window, or windows are apart") {
  if (remat::onednn::instructions() != remat::onednn::instruction_set::avx512 || remat::onednn::is_intel()) return;
  const auto takes = [](const conv2d_attributes& a, const extents& x, element factors, std::size_t samples = 64) {
    const extents y = remat::nn::detail::places(x, a.kernel, a.over);
    const double share = tap_products(a, x, y, samples, factors).share();
    return remat::nn::detail::multiplies_taps(a, share, samples * y.area(), factors);
  };
  const conv2d_attributes deep{512, 512, 3, {.stride = 1, .padding = 1}, true},
      narrow{40, 40, 3, {.stride = 1, .padding = 1}, true}, apart{128, 256, 3, {.stride = 2, .padding = 1}, true},
      grouped{512, 512, 3, {.stride = 1, .padding = 1, .groups = 2}, true}, pointwise{512, 512, 1, {.stride = 2}, true};
  for (const element each : {element::float32, element::bfloat16}) {
    CHECK(takes(deep, 4, each));
    CHECK(takes(deep, 7, each));
    CHECK_FALSE(takes(deep, 4, each, 1));
    CHECK(takes(deep, 1, each, 1));
    CHECK_FALSE(takes({512, 512, 5, {.stride = 1, .padding = 2}, true}, 7, each));
    CHECK_FALSE(takes(deep, 14, each));
    CHECK(takes(apart, 14, each));
    CHECK_FALSE(takes(apart, 28, each));
    CHECK_FALSE(takes(grouped, 4, each));
    CHECK_FALSE(takes(pointwise, 8, each));
    CHECK(takes(narrow, 4, each) == (each == element::bfloat16));
  }
}

}  // namespace tap_products_tests
