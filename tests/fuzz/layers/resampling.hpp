// SPDX-License-Identifier: MIT
/// Pooling by averages and upsampling, of random sizes.
#pragma once

#include <remat/remat.hpp>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include "../layer_case.hpp"
#include "max_pool2d.hpp"

namespace fuzz {

namespace detail {

/// What an output reads along an axis: inputs and their weights.
using reads_of_outputs = std::vector<std::vector<std::pair<std::size_t, double>>>;

/// A weighted sum over rectangles, and its gradient.
inline void resample(layer_case& made, const reads_of_outputs& rows, const reads_of_outputs& columns) {
  const std::size_t channels = made.inputs[0].channels(), h = made.inputs[0].height(), w = made.inputs[0].width();
  const auto over_pixels = [=, batch = made.batch](const auto& f) {
    for (std::size_t n = 0; n < batch; ++n)
      for (std::size_t r = 0; r < rows.size(); ++r)
        for (std::size_t c = 0; c < columns.size(); ++c)
          for (const auto& [i, a] : rows[r])
            for (const auto& [j, b] : columns[c])
              for (std::size_t k = 0; k < channels; ++k)
                f(((n * h + i) * w + j) * channels + k, ((n * rows.size() + r) * columns.size() + c) * channels + k,
                  a * b);
  };
  made.forward = [=, size = made.output.elements(made.batch)](const values& v) {
    expectation y(size);
    over_pixels([&](std::size_t from, std::size_t to, double weight) {
      y[to].add(static_cast<double>(v.inputs[0][from]), weight);
    });
    return y;
  };
  made.input_gradient = [=, size = made.inputs[0].elements(made.batch)](const values& v) {
    expectation dx(size);
    over_pixels([&](std::size_t from, std::size_t to, double weight) {
      dx[from].add(static_cast<double>(v.output_gradient[to]), weight);
    });
    return dx;
  };
}

/// M: the layer at any size.
template <class M>
void set_resampling(layer_case& made, remat::nn::extents size = 0, remat::nn::extents stride = 0,
                    remat::nn::extents padding = 0) {
  auto attributes = M::attributes;
  attributes.size = size;
  attributes.stride = stride;
  attributes.padding = padding;
  made.attributes = std::make_shared<decltype(attributes)>(attributes);
  made.kernels = &remat::kernel_table_of<remat::detail::kernels_of<M>>;
  made.takes_bfloat16 = true;
}

}  // namespace detail

inline layer_case avg_pool2d(random_source& random) {
  const detail::drawn_pooling p(random, false);
  layer_case made;
  made.layer = "avg_pool2d";
  made.sizes = p.text();
  made.batch = p.batch;
  made.inputs = {images(p.channels, p.height, p.width)};
  made.output = images(p.channels, p.rows(), p.columns());
  detail::set_resampling<remat::nn::avg_pool2d<2>>(made, p.kernel, p.stride, p.padding);
  const auto along = [](std::size_t size, std::size_t outputs, std::size_t k, std::size_t step, std::size_t border) {
    detail::reads_of_outputs all(outputs);
    for (std::size_t o = 0; o < outputs; ++o)
      for (std::size_t i = 0; i < k; ++i)
        if (const std::size_t at = o * step + i; at >= border && at - border < size)
          all[o].emplace_back(at - border, 1 / static_cast<double>(k));
    return all;
  };
  detail::resample(made, along(p.height, p.rows(), p.kernel.height, p.stride.height, p.padding.height),
                   along(p.width, p.columns(), p.kernel.width, p.stride.width, p.padding.width));
  return made;
}

inline layer_case adaptive_avg_pool2d(random_source& random) {
  const std::size_t height = random.extent(40), width = random.extent(40);
  layer_case made;
  made.layer = "adaptive_avg_pool2d";
  made.batch = random.between(1, 5);
  made.inputs = {images(random.channels(), height, width)};
  made.output = images(made.inputs[0].channels(), random.between(1, 12), random.between(1, 12));
  made.sizes = listed({{"channels", made.output.channels()},
                       {"height", height},
                       {"width", width},
                       {"rows", made.output.height()},
                       {"columns", made.output.width()}});
  detail::set_resampling<remat::nn::adaptive_avg_pool2d<1>>(made);
  const auto along = [](std::size_t inputs, std::size_t outputs) {
    detail::reads_of_outputs all(outputs);
    for (std::size_t o = 0; o < outputs; ++o) {
      const std::size_t first = o * inputs / outputs, last = ((o + 1) * inputs + outputs - 1) / outputs;
      for (std::size_t i = first; i < last; ++i) all[o].emplace_back(i, 1 / static_cast<double>(last - first));
    }
    return all;
  };
  detail::resample(made, along(height, made.output.height()), along(width, made.output.width()));
  return made;
}

/// Nearest or bilinear.
inline layer_case upsample(random_source& random) {
  const bool is_bilinear = random.one_in(2);
  const std::size_t scale = random.between(1, 4), height = random.extent(20), width = random.extent(20);
  layer_case made;
  made.layer = is_bilinear ? "upsample_bilinear" : "upsample_nearest";
  made.batch = random.between(1, 3);
  made.inputs = {images(random.channels(), height, width)};
  made.output = images(made.inputs[0].channels(), height * scale, width * scale);
  made.sizes = listed({{"channels", made.output.channels()}, {"height", height}, {"width", width}, {"scale", scale}});
  if (is_bilinear)
    detail::set_resampling<remat::nn::upsample_bilinear<2>>(made, scale);
  else
    detail::set_resampling<remat::nn::upsample_nearest<2>>(made, scale);
  const auto along = [=](std::size_t inputs) {
    detail::reads_of_outputs all(inputs * scale);
    for (std::size_t o = 0; o < all.size(); ++o) {
      if (!is_bilinear) {
        all[o] = {{o / scale, 1.0}};
        continue;
      }
      const double at = std::clamp((static_cast<double>(o) + 0.5) / static_cast<double>(scale) - 0.5, 0.0,
                                   static_cast<double>(inputs - 1));
      const std::size_t first = static_cast<std::size_t>(at);
      const double share = at - static_cast<double>(first);
      all[o] = {{first, 1 - share}};
      if (share > 0) all[o].emplace_back(first + 1, share);
    }
    return all;
  };
  detail::resample(made, along(height), along(width));
  return made;
}

}  // namespace fuzz
