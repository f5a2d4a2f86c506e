// SPDX-License-Identifier: MIT
/// Layers that put a row before a sequence, take one of it, or make rows of pixels, of random sizes.
#pragma once

#include <remat/remat.hpp>

#include <cstddef>
#include <memory>

#include "../layer_case.hpp"

namespace fuzz {

inline layer_case class_token(random_source& random) {
  const std::size_t width = random.channels(), length = random.extent(70), sample = length * width;
  layer_case made;
  made.layer = "class_token";
  made.sizes = listed({{"width", width}, {"length", length}});
  made.batch = random.between(1, 7);
  made.inputs = {floats(length, width)};
  made.output = floats(length + 1, width);
  made.parameters = {width};
  made.kernels = &remat::kernel_table_of<remat::nn::detail::class_token_kernels>;
  made.forward = [=, batch = made.batch](const values& v) {
    expectation y(batch * (sample + width));
    for (std::size_t i = 0; i < y.size(); ++i) {
      const std::size_t n = i / (sample + width), at = i % (sample + width);
      y[i].add(static_cast<double>(at < width ? v.parameters[0][at] : v.inputs[0][n * sample + at - width]));
    }
    return y;
  };
  made.input_gradient = [=](const values& v) {
    expectation dx(v.inputs[0].size());
    for (std::size_t i = 0; i < dx.size(); ++i)
      dx[i].add(static_cast<double>(v.output_gradient[i + (i / sample + 1) * width]));
    return dx;
  };
  made.parameter_gradient = [=](const values& v, std::size_t) {
    expectation dw(width);
    for (std::size_t i = 0; i < v.output_gradient.size(); ++i)
      if (i % (sample + width) < width) dw[i % (sample + width)].add(static_cast<double>(v.output_gradient[i]));
    return dw;
  };
  return made;
}

inline layer_case select_row(random_source& random) {
  const std::size_t width = random.channels(), length = random.extent(70), index = random.between(0, length - 1);
  layer_case made;
  made.layer = "select_row";
  made.sizes = listed({{"width", width}, {"length", length}, {"index", index}});
  made.batch = random.between(1, 7);
  made.inputs = {floats(length, width)};
  made.output = floats(width);
  made.attributes = std::make_shared<remat::nn::detail::select_row_attributes>(index);
  made.kernels = &remat::kernel_table_of<remat::nn::detail::select_row_kernels>;
  made.forward = [=, batch = made.batch](const values& v) {
    expectation y(batch * width);
    for (std::size_t i = 0; i < y.size(); ++i)
      y[i].add(static_cast<double>(v.inputs[0][(i / width * length + index) * width + i % width]));
    return y;
  };
  made.input_gradient = [=](const values& v) {
    expectation dx(v.inputs[0].size());
    for (std::size_t i = 0; i < dx.size(); ++i) {
      const std::size_t row = i / width;
      dx[i].add(row % length == index ? static_cast<double>(v.output_gradient[row / length * width + i % width]) : 0);
    }
    return dx;
  };
  return made;
}

inline layer_case image_to_sequence(random_source& random) {
  const std::size_t channels = random.channels(), height = random.extent(20), width = random.extent(20);
  layer_case made;
  made.layer = "image_to_sequence";
  made.sizes = listed({{"channels", channels}, {"height", height}, {"width", width}});
  made.batch = random.between(1, 7);
  made.inputs = {images(channels, height, width)};
  made.output = floats(height * width, channels);
  made.works_in_place = true;
  made.kernels = &remat::kernel_table_of<remat::detail::kernels_of<remat::nn::image_to_sequence>>;
  const auto same = [](const std::vector<float>& x) {
    expectation y(x.size());
    for (std::size_t i = 0; i < y.size(); ++i) y[i].add(static_cast<double>(x[i]));
    return y;
  };
  made.forward = [=](const values& v) { return same(v.inputs[0]); };
  made.input_gradient = [=](const values& v) { return same(v.output_gradient); };
  return made;
}

}  // namespace fuzz
