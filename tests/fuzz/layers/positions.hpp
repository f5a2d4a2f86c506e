// SPDX-License-Identifier: MIT
/// Layers that know the position in a sequence, of random sizes.
#pragma once

#include <remat/remat.hpp>

#include <cmath>
#include <cstddef>
#include <memory>

#include "../layer_case.hpp"

namespace fuzz {

inline layer_case rotary_embedding(random_source& random) {
  const std::size_t width = 2 * random.extent(64), heads = random.between(1, 5), length = random.extent(70);
  const std::size_t row = heads * width;
  layer_case made;
  made.layer = "rotary_embedding";
  made.sizes = listed({{"width", width}, {"heads", heads}, {"length", length}});
  made.batch = random.between(1, 7);
  made.inputs = {floats(length, row)};
  made.output = made.inputs[0];
  made.works_in_place = true;
  made.takes_bfloat16 = true;
  const remat::nn::rotary_options options{.theta = random.one_in(2) ? 10000.0 : 500000.0,
                                          .factor = random.one_in(2) ? 1.0 : 32.0,
                                          .original_positions = random.between(8, 64)};
  made.attributes = std::make_shared<remat::nn::detail::rotary_attributes>(width, options);
  made.kernels = &remat::kernel_table_of<remat::nn::detail::rotary_embedding_kernels>;
  const auto table = std::make_shared<remat::nn::detail::rotary_table>(length, width, options);
  const auto turned = [=](const std::vector<float>& x, double direction) {
    expectation y(x.size());
    for (std::size_t i = 0; i < x.size(); ++i) {
      const std::size_t in_head = i % row % width, half = width / 2;
      const std::size_t at = i / row % length * half + in_head % half;
      const double c = static_cast<double>(table->cosines[at]), s = direction * static_cast<double>(table->sines[at]);
      y[i].add(static_cast<double>(x[i]), c);
      y[i].add(static_cast<double>(x[in_head < half ? i + half : i - half]), in_head < half ? -s : s);
    }
    return y;
  };
  made.forward = [=](const values& v) { return turned(v.inputs[0], 1); };
  made.input_gradient = [=](const values& v) { return turned(v.output_gradient, -1); };
  return made;
}

inline layer_case positional_embedding(random_source& random) {
  const std::size_t width = random.channels(), length = random.extent(70), first = random.between(0, 3),
                    rows = first + length + random.between(0, 9);
  layer_case made;
  made.layer = "positional_embedding";
  made.sizes = listed({{"width", width}, {"length", length}, {"first", first}, {"rows", rows}});
  made.batch = random.between(1, 7);
  made.inputs = {floats(length, width)};
  made.output = made.inputs[0];
  made.works_in_place = true;
  made.parameters = {rows * width};
  using remat::nn::detail::positional_embedding_attributes;
  made.attributes = std::make_shared<positional_embedding_attributes>(positional_embedding_attributes{first * width});
  made.kernels = &remat::kernel_table_of<remat::nn::detail::positional_embedding_kernels>;
  made.forward = [=](const values& v) {
    expectation y(v.inputs[0].size());
    for (std::size_t i = 0; i < y.size(); ++i) {
      y[i].add(static_cast<double>(v.inputs[0][i]));
      y[i].add(static_cast<double>(v.parameters[0][first * width + i % (length * width)]));
    }
    return y;
  };
  made.parameter_gradient = [=](const values& v, std::size_t) {
    expectation dw(rows * width);
    for (std::size_t i = 0; i < v.output_gradient.size(); ++i)
      dw[first * width + i % (length * width)].add(static_cast<double>(v.output_gradient[i]));
    return dw;
  };
  return made;
}

}  // namespace fuzz
