// SPDX-License-Identifier: MIT
// A fused relu lets NaN through, wherever it comes from, and leaves all else as it is.
#include "naive_sums.hpp"

#include <remat/remat.hpp>

#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <initializer_list>
#include <limits>
#include <random>
#include <span>
#include <string>
#include <vector>

namespace fused_relu_tests {

namespace nn = remat::nn;
using remat::image;
using remat::nn::detail::fused_relu;
using floats = std::vector<float>;
using sums = fused_relu::sums;

constexpr float infinity = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();

/// What the primitive writes, and with `passes_nan` what it should.
floats convolved(const sums& s, const floats& x, const floats& w, const floats& b, bool relu, bool passes_nan) {
  const auto extent = [&](std::size_t input, std::size_t output, std::size_t nn::extents::*along) {
    return naive::extent{
        input, s.kernel.*along, output, s.over.stride.*along, s.over.padding.*along, s.over.dilation.*along};
  };
  floats y(s.samples * s.rows * s.columns * s.out);
  naive::convolve({s.samples, s.in, s.out, s.over.groups, extent(s.height, s.rows, &nn::extents::height),
                   extent(s.width, s.columns, &nn::extents::width)},
                  x, w, b, y);
  for (float& v : y)
    if (relu && !(v > 0) && !(passes_nan && std::isnan(v))) v = 0;
  return y;
}

struct counts {
  int fused = 0, nans = 0, others = 0;
};

void check(const sums& s, std::mt19937& random, counts& seen) {
  const auto text = [](const nn::extents& e) { return std::to_string(e.height) + " x " + std::to_string(e.width); };
  INFO(s.samples << " samples, " << s.in << " -> " << s.out << ", " << s.height << " x " << s.width << ", kernel "
                 << text(s.kernel) << ", stride " << text(s.over.stride) << ", padding " << text(s.over.padding)
                 << ", dilation " << text(s.over.dilation) << ", groups " << s.over.groups);
  const auto drawn = [&](std::size_t size) {
    floats values(size);
    for (float& v : values) v = std::normal_distribution<float>()(random);
    return values;
  };
  const std::size_t kernel = s.kernel.area();
  const std::size_t sizes[] = {s.samples * s.height * s.width * s.in, s.out * s.in / s.over.groups * kernel, s.out};
  for (const float special : {0.0f, nan, infinity, -infinity})
    for (const std::size_t where : {0u, 1u, 2u})
      for (const int count : {1, 2, 40}) {
        floats of[] = {drawn(sizes[0]), drawn(sizes[1]), drawn(sizes[2])};
        for (int i = 0; i < count; ++i) of[where][random() % sizes[where]] = i % 5 == 4 ? -special : special;
        const fused_relu relu(remat::activation::relu, s);
        const bool in_primitive = relu.in_primitive() == remat::activation::relu;
        floats y = convolved(s, of[0], of[1], of[2], in_primitive, false);
        relu.finish({reinterpret_cast<const std::byte*>(of[0].data()), of[0].size()}, of[1].data(), of[2].data(),
                    {reinterpret_cast<std::byte*>(y.data()), y.size()});
        const floats expected = convolved(s, of[0], of[1], of[2], true, true);
        std::size_t wrong = 0;
        for (std::size_t i = 0; i < y.size(); ++i) {
          if (std::isnan(expected[i]) ? !std::isnan(y[i]) : !(y[i] == expected[i])) ++wrong;
          ++(std::isnan(expected[i]) ? seen.nans : seen.others);
        }
        if (in_primitive) ++seen.fused;
        INFO(count << " times " << special << " in operand " << where);
        CHECK(wrong == 0);
      }
}

TEST_CASE("a fused relu passes NaN on") {
  std::mt19937 random(1);
  const auto up_to = [&](std::size_t most) { return 1 + random() % most; };
  counts seen;
  for (int i = 0; i < 60; ++i) {
    const std::size_t rows = up_to(90);
    check({.samples = rows, .in = up_to(40), .out = up_to(70)}, random, seen);
    sums s{.samples = up_to(4), .in = up_to(5), .height = up_to(11), .width = up_to(11), .out = up_to(20)};
    const auto extents_up_to = [&](std::size_t most) {
      const std::size_t height = up_to(most);
      return nn::extents(height, i % 2 == 0 ? height : up_to(most));
    };
    s.kernel = extents_up_to(4);
    s.over.stride = extents_up_to(5);
    s.over.padding = {random() % 4, random() % 4};
    s.over.dilation = i % 3 == 0 ? extents_up_to(3) : 1;
    if (i % 7 == 0) s.over.groups = s.in = s.out;
    if (!nn::detail::holds_kernel({s.height, s.width}, s.kernel, s.over)) continue;
    const nn::extents places = nn::detail::places({s.height, s.width}, s.kernel, s.over);
    s.rows = places.height;
    s.columns = places.width;
    check(s, random, seen);
  }
  WARN(seen.fused << " fused, " << seen.nans << " NaN, " << seen.others << " others");
  CHECK(seen.fused > 500);
  CHECK(seen.nans > 10000);
}

using network =
    remat::model<remat::sequential<nn::conv2d<8, 16, 3, nn::window{.padding = 1}>, nn::relu,
                                   nn::conv2d<16, 24, 3, nn::window{.stride = 2, .padding = 1}>, nn::relu, nn::flatten,
                                   nn::linear<216, 32>, nn::relu, nn::linear<32, 20>, nn::relu>,
                 image<float, 8, 6, 6>>;

int nan_samples(network& m, const floats& x) {
  const std::span<const float> y = m.predict(x);
  int found = 0;
  for (std::size_t i = 0; i < y.size(); i += 20)
    found += std::ranges::all_of(y.subspan(i, 20), [](float v) { return std::isnan(v); }) ? 1 : 0;
  return found;
}

TEST_CASE("a NaN among a network's inputs or weights reaches its outputs through fused relus") {
  for (const std::size_t batch : {1u, 40u}) {
    network m{{.seed = 3}};
    const std::size_t size = 8 * 6 * 6;
    floats x(batch * size);
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = std::sin(static_cast<float>(i));
    REQUIRE(nan_samples(m, x) == 0);
    for (const std::size_t at : {std::size_t{0}, size / 2, x.size() - 1}) {
      const float before = x[at];
      x[at] = nan;
      CHECK(nan_samples(m, x) == 1);
      x[at] = before;
    }
    for (const char* name : {"0.weight", "0.bias", "2.weight", "2.bias", "5.weight", "5.bias"}) {
      INFO(name << ", batch " << batch);
      const std::span<float> values = m.parameter(name).values;
      const std::size_t at = values.size() / 2;
      const float before = values[at];
      values[at] = nan;
      CHECK(nan_samples(m, x) == static_cast<int>(batch));
      values[at] = before;
    }
    CHECK(nan_samples(m, x) == 0);
  }
}

TEST_CASE("backward goes through a fused relu where its output is NaN") {
  network m{{.seed = 3}};
  floats x(40 * 8 * 6 * 6, 0.5f), dy(40 * 20, 1.0f);
  x[7 * 36 + 14] = nan;  // within the image, in the last channel of the first sample
  m.forward(x);
  m.backward(dy);
  for (const char* name : {"5.weight", "7.weight"})  // of y's that are NaN
    CHECK(std::ranges::all_of(m.parameter(name).gradient, [](float g) { return std::isnan(g); }));
  const std::span<const float> first = m.parameter("0.weight").gradient;  // (16, 8, 3, 3)
  for (std::size_t i = 0; i < first.size(); ++i) CHECK(std::isnan(first[i]) == (i / 9 % 8 == 7));
  for (const char* name : {"0.bias", "2.bias", "5.bias", "7.bias"})
    CHECK(std::ranges::none_of(m.parameter(name).gradient, [](float g) { return std::isnan(g); }));
}

}  // namespace fused_relu_tests
