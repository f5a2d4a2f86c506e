// SPDX-License-Identifier: MIT
/// Maxima over windows of random sizes.
#pragma once

#include <remat/remat.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "../layer_case.hpp"

namespace fuzz {

namespace detail {

/// A window of a pooling, and sizes that it fits into.
struct drawn_pooling {
  std::size_t channels, height, width, batch;
  remat::nn::extents kernel, stride, padding, dilation = 1;

  drawn_pooling(random_source& random, bool may_have_gaps) {
    kernel = random.extents_of([&] { return random.one_of({1, 2, 2, 3, 3, 4, 5, 7, 16, 17}); });
    const auto step = [&](std::size_t k) { return random.one_of({k, 1, 2, 3, k + 1}); };
    const auto border = [&](std::size_t k) { return random.one_in(2) ? 0 : random.between(0, k / 2); };
    stride = {step(kernel.height), step(kernel.width)};
    padding = {border(kernel.height), border(kernel.width)};
    if (may_have_gaps && random.one_in(3)) {  // which fit into an image of 40 x 40
      const auto gap = [&](std::size_t k) { return random.between(1, k > 7 ? 2 : 4); };
      dilation = {gap(kernel.height), gap(kernel.width)};
    }
    channels = random.channels();
    batch = random.between(1, 5);
    do {
      height = random.extent(40);
      width = random.extent(40);
    } while (rows() == 0 || columns() == 0);
  }
  std::size_t rows() const { return along(height, kernel.height, stride.height, padding.height, dilation.height); }
  std::size_t columns() const { return along(width, kernel.width, stride.width, padding.width, dilation.width); }
  std::string text() const {
    return listed({{"channels", channels},
                   {"height", height},
                   {"width", width},
                   {"kernel", kernel},
                   {"stride", stride},
                   {"padding", padding},
                   {"dilation", dilation}});
  }

 private:
  static std::size_t along(std::size_t size, std::size_t k, std::size_t step, std::size_t border, std::size_t gap) {
    return size + 2 * border > gap * (k - 1) ? (size + 2 * border - gap * (k - 1) - 1) / step + 1 : 0;
  }
};

}  // namespace detail

/// The first of equal maxima has the gradient.
inline layer_case max_pool2d(random_source& random) {
  const detail::drawn_pooling p(random, true);
  const std::size_t height = p.rows(), width = p.columns();
  layer_case made;
  made.layer = "max_pool2d";
  made.sizes = p.text();
  made.batch = p.batch;
  made.takes_bfloat16 = true;
  made.inputs = {images(p.channels, p.height, p.width)};
  made.output = images(p.channels, height, width);
  made.saved = {made.output};
  made.saved[0].type = p.kernel.area() < 256 ? remat::element::uint8 : remat::element::int32;
  made.kernels = &remat::kernel_table_of<remat::nn::detail::max_pool2d_kernels>;
  made.attributes = std::make_shared<remat::nn::detail::max_pool2d_attributes>(remat::nn::detail::max_pool2d_attributes{
      p.kernel, {.stride = p.stride, .padding = p.padding, .dilation = p.dilation}});
  const auto over_maxima = [=](const std::vector<float>& x, const auto& f) {
    for (std::size_t i = 0; i < p.batch * height * width * p.channels; ++i) {
      const std::size_t k = i % p.channels, column = i / p.channels % width, row = i / p.channels / width % height;
      const std::size_t n = i / p.channels / width / height;
      std::size_t largest = x.size();
      for (std::size_t a = 0; a < p.kernel.height; ++a)
        for (std::size_t b = 0; b < p.kernel.width; ++b) {
          const std::size_t h = row * p.stride.height + a * p.dilation.height - p.padding.height;  // too large before
          const std::size_t w = column * p.stride.width + b * p.dilation.width - p.padding.width;  // the first
          if (h >= p.height || w >= p.width) continue;
          const std::size_t at = ((n * p.height + h) * p.width + w) * p.channels + k;
          if (largest == x.size() || x[at] > x[largest]) largest = at;
        }
      f(i, largest);
    }
  };
  made.forward = [=](const values& v) {
    expectation y(p.batch * height * width * p.channels);
    over_maxima(v.inputs[0], [&](std::size_t i, std::size_t at) {
      y[i].value = at < v.inputs[0].size() ? static_cast<double>(v.inputs[0][at]) : -INFINITY;  // all in the border
    });
    return y;
  };
  made.input_gradient = [=](const values& v) {
    expectation dx(v.inputs[0].size());
    over_maxima(v.inputs[0], [&](std::size_t i, std::size_t at) {
      if (at < dx.size()) dx[at].add(static_cast<double>(v.output_gradient[i]));
    });
    return dx;
  };
  return made;
}

}  // namespace fuzz
