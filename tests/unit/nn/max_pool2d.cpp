// SPDX-License-Identifier: MIT
// Max pooling of NaN and of windows without a finite number, as PyTorch 2.15 has it, and of any number of channels,
// windows, steps, paddings and dilations against a plain loop.
#include <remat/remat.hpp>

#include <catch2/catch.hpp>

#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

#include "one_layer.hpp"

namespace max_pool2d_tests {

namespace nn = remat::nn;

constexpr float infinity = std::numeric_limits<float>::infinity(),
                not_a_number = std::numeric_limits<float>::quiet_NaN();

void check(layer_run&& layer, std::size_t batch, std::size_t C, nn::extents image, nn::extents kernel,
           const nn::window& over, bool with_nan) {
  const nn::extents stride = over.stride, padding = over.padding, gap = over.dilation,
                    places = nn::detail::places(image, kernel, over);
  const std::size_t rows = places.height, columns = places.width, H = image.height, W = image.width;
  for (std::size_t i = 0; i < layer.x.size(); ++i) {
    layer.x[i] = std::round(4 * layer.x[i]);  // many are equal
    if (i % 5 < 3 && i % 11 > 4) layer.x[i] = -infinity;
    if (with_nan && i % 37 == 5) layer.x[i] = not_a_number;
  }
  std::vector<float> y(layer.y.size()), dx(layer.x.size());
  for (std::size_t n = 0; n < batch; ++n)
    for (std::size_t r = 0; r < rows; ++r)
      for (std::size_t q = 0; q < columns; ++q)
        for (std::size_t c = 0; c < C; ++c) {
          float largest = -infinity;
          std::size_t place = layer.x.size();
          for (std::size_t i = 0; i < kernel.height; ++i)
            for (std::size_t j = 0; j < kernel.width; ++j) {
              const std::size_t h = r * stride.height + i * gap.height - padding.height,  // beyond, where negative
                  w = q * stride.width + j * gap.width - padding.width;
              if (h >= H || w >= W) continue;
              const std::size_t at = ((n * H + h) * W + w) * C + c;
              if (place == layer.x.size() || layer.x[at] > largest || std::isnan(layer.x[at])) {
                largest = layer.x[at];
                place = at;
              }
            }
          const std::size_t to = ((n * rows + r) * columns + q) * C + c;
          y[to] = largest;
          if (place < dx.size()) dx[place] += layer.dy[to];
        }
  layer.forward(2);
  layer.backward(2);
  for (std::size_t i = 0; i < y.size(); ++i) CHECK((std::isnan(y[i]) ? std::isnan(layer.y[i]) : layer.y[i] == y[i]));
  for (std::size_t i = 0; i < dx.size(); ++i)
    CHECK(static_cast<double>(layer.dx[i]) == Approx(static_cast<double>(dx[i])).margin(1e-6));
}
template <std::size_t C, std::size_t H, std::size_t W, nn::extents Kernel, nn::window Over>
void check(std::size_t batch, bool with_nan) {
  INFO("(" << C << ", " << H << ", " << W << "), window " << Kernel.height << " x " << Kernel.width);
  check(one_layer<nn::max_pool2d<Kernel, Over>, remat::image<float, C, H, W>>(batch), batch, C, {H, W}, Kernel, Over,
        with_nan);
}

TEST_CASE("Special values are PyTorch's") {
  one_layer<nn::max_pool2d<2>, remat::image<float, 1, 2, 2>> layer(6);
  // clang-format off
  layer.x = {-infinity, -infinity, -infinity, -infinity,
             not_a_number, 1, 2, not_a_number,
             not_a_number, infinity, 2, 3,
             infinity, 1, 2, infinity,
             -0.0f, 0.0f, -1, -2,
             1, 1, 1, 1};
  // clang-format on
  layer.dy.assign(6, 1.0f);
  layer.forward();
  layer.backward();
  CHECK(layer.y[0] == -infinity);
  for (const std::size_t i : {1u, 2u}) CHECK(std::isnan(layer.y[i]));
  CHECK(layer.y[3] == infinity);
  CHECK(layer.y[5] == 1);
  CHECK(layer.dx == std::vector<float>{1, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0});
}

TEST_CASE("Values and gradients are those of a plain loop") {
  const bool with_nan = GENERATE(false, true);
  using nn::extents, nn::window;
  check<1, 4, 4, 2, window{.stride = 2}>(2, with_nan);
  check<3, 7, 6, 3, window{.stride = 2, .padding = 1}>(2, with_nan);
  check<16, 5, 5, 2, window{.stride = 1, .padding = 1}>(3, with_nan);
  check<17, 6, 9, 3, window{.stride = 3}>(2, with_nan);
  check<40, 8, 8, 3, window{.stride = 2, .padding = 1}>(2, with_nan);
  check<64, 6, 6, 2, window{.stride = 2}>(2, with_nan);
  check<2, 20, 20, 17, window{.stride = 3, .padding = 8}>(2, with_nan);
  // Two extents.
  check<17, 9, 8, extents{1, 3}, window{.stride = {2, 1}, .padding = {0, 1}}>(2, with_nan);
  check<16, 9, 8, extents{5, 2}, window{.stride = {1, 2}, .padding = {2, 0}}>(2, with_nan);
  check<2, 2, 300, extents{1, 255}, window{.stride = 1}>(1, with_nan);
  check<2, 4, 130, extents{2, 128}, window{.stride = 1}>(1, with_nan);
  check<2, 1, 260, extents{1, 257}, window{.stride = 1, .padding = {0, 3}}>(1, with_nan);
}

TEST_CASE("Windows with gaps are those of a plain loop") {
  const bool with_nan = GENERATE(false, true);
  using nn::extents, nn::window;
  check<3, 9, 8, 3, window{.stride = 2, .padding = 1, .dilation = 2}>(2, with_nan);
  check<70, 9, 8, extents{2, 3}, window{.stride = {1, 2}, .dilation = {1, 3}}>(3, with_nan);
  check<5, 4, 9, 2, window{.stride = 1, .padding = 1, .dilation = {5, 1}}>(2, with_nan);  // some are all border
  check<1, 20, 40, extents{8, 33}, window{.stride = 1, .dilation = {2, 1}}>(1, with_nan);
}

}  // namespace max_pool2d_tests
