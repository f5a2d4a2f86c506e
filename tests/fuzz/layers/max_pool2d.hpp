// SPDX-License-Identifier: MIT
/// Maxima over windows of random sizes.
#pragma once

#include <remat/remat.hpp>

#include <algorithm>
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
  std::size_t channels, height, width, kernel, stride, padding, batch;

  explicit drawn_pooling(random_source& random) {
    kernel = random.one_of({1, 2, 2, 3, 3, 4, 5, 7, 17});
    stride = random.one_of({kernel, 1, 2, 3, kernel + 1});
    padding = random.one_in(2) ? 0 : random.between(0, kernel / 2);
    channels = random.channels();
    batch = random.between(1, 5);
    do {
      height = random.extent(40);
      width = random.extent(40);
    } while (height + 2 * padding < kernel || width + 2 * padding < kernel);
  }
  std::size_t pooled(std::size_t size) const { return (size + 2 * padding - kernel) / stride + 1; }
  std::string text() const {
    return listed({{"channels", channels},
                   {"height", height},
                   {"width", width},
                   {"kernel", kernel},
                   {"stride", stride},
                   {"padding", padding}});
  }
};

}  // namespace detail

/// The first of equal maxima has the gradient.
inline layer_case max_pool2d(random_source& random) {
  const detail::drawn_pooling p(random);
  const std::size_t height = p.pooled(p.height), width = p.pooled(p.width);
  layer_case made;
  made.layer = "max_pool2d";
  made.sizes = p.text();
  made.batch = p.batch;
  made.inputs = {images(p.channels, p.height, p.width)};
  made.output = images(p.channels, height, width);
  made.saved = {made.output};
  made.saved[0].type = p.kernel * p.kernel <= 256 ? remat::element::uint8 : remat::element::int32;
  made.kernels = &remat::kernel_table_of<remat::nn::detail::max_pool2d_kernels>;
  made.attributes = std::make_shared<remat::nn::detail::max_pool2d_attributes>(
      remat::nn::detail::max_pool2d_attributes{p.kernel, p.stride, p.padding});
  const auto over_maxima = [=](const std::vector<float>& x, const auto& f) {
    for (std::size_t i = 0; i < p.batch * height * width * p.channels; ++i) {
      const std::size_t k = i % p.channels, column = i / p.channels % width, row = i / p.channels / width % height;
      const std::size_t n = i / p.channels / width / height;
      std::size_t largest = x.size();
      for (std::size_t a = 0; a < p.kernel; ++a)
        for (std::size_t b = 0; b < p.kernel; ++b) {
          const std::size_t down = row * p.stride + a, across = column * p.stride + b;
          if (down < p.padding || across < p.padding || down - p.padding >= p.height || across - p.padding >= p.width)
            continue;
          const std::size_t at = ((n * p.height + down - p.padding) * p.width + across - p.padding) * p.channels + k;
          if (largest == x.size() || x[at] > x[largest]) largest = at;
        }
      f(i, largest);
    }
  };
  made.forward = [=](const values& v) {
    expectation y(p.batch * height * width * p.channels);
    over_maxima(v.inputs[0], [&](std::size_t i, std::size_t at) { y[i].value = static_cast<double>(v.inputs[0][at]); });
    return y;
  };
  made.input_gradient = [=](const values& v) {
    expectation dx(v.inputs[0].size());
    over_maxima(v.inputs[0],
                [&](std::size_t i, std::size_t at) { dx[at].add(static_cast<double>(v.output_gradient[i])); });
    return dx;
  };
  return made;
}

}  // namespace fuzz
