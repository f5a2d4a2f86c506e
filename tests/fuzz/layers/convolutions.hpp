// SPDX-License-Identifier: MIT
/// Convolutions and transposed convolutions of random sizes.
#pragma once

#include <remat/remat.hpp>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <string>

#include "../layer_case.hpp"
#include "convolution_sums.hpp"

namespace fuzz {

namespace detail {

inline convolution_sums drawn_convolution(random_source& random) {
  convolution_sums c{};
  c.kernel = random.extents_of([&] { return random.one_of({1, 1, 1, 2, 3, 3, 3, 4, 5, 7}); });
  c.stride = random.extents_of([&] { return random.one_of({1, 1, 1, 1, 2, 2, 3, 4}); });
  c.padding = 0;
  if (random.one_in(2)) {
    c.padding.height = random.between(0, c.kernel.height);
    c.padding.width = random.between(0, c.kernel.width);
    if (!random.one_in(3)) c.padding = std::min(c.padding.height, c.padding.width);
  }
  c.dilation = random.extents_of([&] { return random.one_of({1, 1, 1, 1, 1, 2, 3, 4}); });
  c.in = random.channels();
  c.out = random.channels();
  c.groups = 1;
  if (random.one_in(3)) {  // a few channels a group, one each, or one in and several out
    c.groups = random.one_of({2, 3, 4, random.between(1, 40), random.between(1, 40)});
    const std::size_t each = random.one_in(2) ? 1 : random.between(1, 9);
    c.in = c.groups * each;
    c.out = c.groups * (random.one_in(2) ? each : random.between(1, 9));
  }
  if (random.one_in(10)) {  // every second pixel or fewer, which kernels gather first
    c.kernel = c.dilation = 1;
    c.groups = 1;
    c.padding = 0;
    c.stride = random.extents_of([&] { return random.between(1, 4); });
    c.in = random.one_in(2) ? 16 * random.between(1, 4) : random.channels();
    c.out = random.channels();
  }
  const bool is_large = random.one_in(40);
  c.h = is_large ? random.between(33, 64) : random.extent(40);
  c.w = is_large ? random.between(33, 64) : random.extent(40);
  c.batch = is_large ? random.between(4, 11) : random.one_in(8) ? random.between(1, 33) : random.between(1, 5);
  if (random.one_in(40)) {  // many channels of few pixels
    c.groups = 1;
    c.in = 8 * random.between(16, 80);
    c.out = 8 * random.between(16, 80);
    c.h = random.between(1, 6);
    c.w = random.between(1, 6);
    c.batch = random.between(1, 2);
  }
  return c;
}

inline remat::nn::window window_of(const convolution_sums& c, const extents& output_padding) {
  return {c.stride, c.padding, output_padding, c.dilation, c.groups};
}

}  // namespace detail

inline layer_case conv2d(random_source& random) {
  const double most = detail::affordable(random);
  convolution_sums c;
  do {
    c = detail::drawn_convolution(random);
    const auto along = [](std::size_t size, std::size_t k, std::size_t step, std::size_t border, std::size_t gap) {
      return size + 2 * border > gap * (k - 1) ? (size + 2 * border - gap * (k - 1) - 1) / step + 1 : 0;
    };
    c.height = along(c.h, c.kernel.height, c.stride.height, c.padding.height, c.dilation.height);
    c.width = along(c.w, c.kernel.width, c.stride.width, c.padding.width, c.dilation.width);
  } while (c.height == 0 || c.width == 0 || c.multiplications() > most);
  const bool has_bias = random.one_in(2);

  layer_case made;
  made.layer = "conv2d";
  made.sizes = listed({{"in", c.in},
                       {"out", c.out},
                       {"kernel", c.kernel},
                       {"stride", c.stride},
                       {"padding", c.padding},
                       {"dilation", c.dilation},
                       {"groups", c.groups},
                       {"bias", has_bias},
                       {"height", c.h},
                       {"width", c.w}});
  if (const remat::nn::window over = detail::window_of(c, 0); remat::nn::detail::is_pointwise(c.kernel, over)) {
    made.kernels = &remat::kernel_table_of<remat::nn::detail::linear_kernels>;
    made.attributes = std::make_shared<remat::nn::detail::linear_attributes>(
        remat::nn::detail::linear_attributes{c.in, c.out, has_bias});
  } else {
    made.kernels = &remat::kernel_table_of<remat::nn::detail::conv2d_kernels>;
    made.attributes = std::make_shared<remat::nn::detail::conv2d_attributes>(
        remat::nn::detail::conv2d_attributes{c.in, c.out, c.kernel, over, has_bias});
  }
  made.inputs = {images(c.in, c.h, c.w)};
  made.output = images(c.out, c.height, c.width);
  made.batch = c.batch;
  made.fuses = remat::nn::conv2d<1, 1, 1>::is.fuses;
  made.multiplies_bfloat16 = remat::nn::detail::multiplies_bfloat16(c.in, c.out, c.groups);
  made.computes_samples_apart = true;
  detail::computes(made, c, has_bias);
  return made;
}

inline layer_case conv_transpose2d(random_source& random) {
  const double most = detail::affordable(random);
  convolution_sums c;  // of the convolution from y to x
  extents output_padding;
  do {
    c = detail::drawn_convolution(random);
    std::swap(c.h, c.height);
    std::swap(c.w, c.width);
    const auto added = [&](std::size_t stride) { return random.one_in(3) ? random.between(0, stride - 1) : 0; };
    output_padding = {added(c.stride.height), added(c.stride.width)};
    const auto along = [](std::size_t inputs, std::size_t k, std::size_t step, std::size_t border, std::size_t gap,
                          std::size_t more) {
      const std::size_t whole = (inputs - 1) * step + gap * (k - 1) + 1 + more;
      return whole > 2 * border ? whole - 2 * border : 0;
    };
    c.h = along(c.height, c.kernel.height, c.stride.height, c.padding.height, c.dilation.height, output_padding.height);
    c.w = along(c.width, c.kernel.width, c.stride.width, c.padding.width, c.dilation.width, output_padding.width);
  } while (c.h == 0 || c.w == 0 || c.multiplications() > most ||
           static_cast<double>(c.batch * c.h * c.w * c.in) > most);
  const bool has_bias = random.one_in(2);

  layer_case made;
  made.layer = "conv_transpose2d";
  made.sizes = listed({{"in", c.out},
                       {"out", c.in},
                       {"kernel", c.kernel},
                       {"stride", c.stride},
                       {"padding", c.padding},
                       {"output padding", output_padding},
                       {"dilation", c.dilation},
                       {"groups", c.groups},
                       {"bias", has_bias},
                       {"height", c.height},
                       {"width", c.width}});
  made.kernels = &remat::kernel_table_of<remat::nn::detail::conv_transpose2d_kernels>;
  made.attributes = std::make_shared<remat::nn::detail::conv2d_attributes>(
      remat::nn::detail::conv2d_attributes{c.out, c.in, c.kernel, detail::window_of(c, output_padding), has_bias});
  made.inputs = {images(c.out, c.height, c.width)};
  made.output = images(c.in, c.h, c.w);
  made.parameters = {c.out * (c.in / c.groups) * c.kernel.area()};
  if (has_bias) made.parameters.push_back(c.in);
  made.batch = c.batch;
  made.fuses = remat::nn::conv_transpose2d<1, 1, 1>::is.fuses;
  made.multiplies_bfloat16 = c.groups == 1;
  made.computes_samples_apart = true;
  made.forward = [c, has_bias](const values& v) {
    expectation y = c.backward_input(v.inputs[0], v.parameters[0]);
    if (has_bias) add_columns(y, v.parameters[1]);
    return y;
  };
  made.input_gradient = [c](const values& v) { return c.forward(v.output_gradient, v.parameters[0]); };
  made.parameter_gradient = [c](const values& v, std::size_t i) {
    return i == 0 ? c.backward_weights(v.output_gradient, v.inputs[0]) : sums_of_columns(v.output_gradient, c.in);
  };
  return made;
}

}  // namespace fuzz
