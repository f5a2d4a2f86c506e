// SPDX-License-Identifier: MIT
/// Embeddings of random sizes.
#pragma once

#include <remat/remat.hpp>

#include <cstddef>
#include <memory>

#include "../layer_case.hpp"

namespace fuzz {

inline layer_case embedding(random_source& random) {
  const std::size_t rows = random.between(1, 200),
                    width = random.one_in(3) ? random.between(1, 300) : random.channels();
  const std::size_t length = random.between(0, 9);
  layer_case made;
  made.layer = "embedding";
  made.sizes = listed({{"rows", rows}, {"width", width}, {"length", length}});
  made.batch = random.between(1, 60);
  made.inputs = {length == 0 ? integers() : integers(length)};
  made.output = length == 0 ? floats(width) : floats(length, width);
  made.integers_below = rows;
  made.parameters = {rows * width};
  using sample = remat::nn::embedding<1, 1>;
  auto attributes = sample::attributes;
  attributes.rows = rows;
  attributes.width = width;
  made.attributes = std::make_shared<decltype(attributes)>(attributes);
  made.kernels = &remat::kernel_table_of<remat::detail::kernels_of<sample>>;
  const auto place = [width](const values& v, std::size_t i) {
    return static_cast<std::size_t>(v.integers[0][i / width]) * width + i % width;
  };
  made.forward = [=](const values& v) {
    expectation y(v.integers[0].size() * width);
    for (std::size_t i = 0; i < y.size(); ++i) y[i].value = static_cast<double>(v.parameters[0][place(v, i)]);
    return y;
  };
  made.parameter_gradient = [=](const values& v, std::size_t) {
    expectation dw(rows * width);
    for (std::size_t i = 0; i < v.output_gradient.size(); ++i)
      dw[place(v, i)].add(static_cast<double>(v.output_gradient[i]));
    return dw;
  };
  return made;
}

}  // namespace fuzz
