// SPDX-License-Identifier: MIT
/// Linear layers and the cross entropy of what they give, of random sizes.
#pragma once

#include <remat/remat.hpp>

#include <cmath>
#include <cstddef>
#include <memory>

#include "../layer_case.hpp"
#include "convolution_sums.hpp"
#include "cross_entropy.hpp"

namespace fuzz {

inline layer_case linear_cross_entropy(random_source& random) {
  const double most = detail::affordable(random);
  std::size_t in = 0, classes = 0, length = 1, batch = 0;
  do {
    in = random.channels();
    classes = random.one_in(8)   ? random.between(20000, 40000)
              : random.one_in(4) ? random.between(1, 900)
                                 : random.channels();
    length = random.one_in(2) ? 1 : random.between(2, 9);
    batch = random.between(1, 140);
  } while (static_cast<double>(in * classes * batch * length) > most);
  const bool has_bias = random.one_in(2);
  const std::size_t rows = batch * length;
  const convolution_sums c{.batch = rows, .in = in, .out = classes};
  const detail::entropy_of_logits entropy{rows, classes};

  layer_case made;
  made.layer = "linear_cross_entropy";
  made.sizes = listed({{"in", in}, {"classes", classes}, {"length", length}, {"bias", has_bias}});
  made.batch = batch;
  made.inputs = {length == 1 ? floats(in) : floats(length, in)};
  detail::set_targets(made, length, classes);
  using sample = remat::nn::linear_cross_entropy<1, 1>;
  auto attributes = sample::attributes;
  attributes.in = in;
  attributes.out = classes;
  attributes.has_bias = has_bias;
  made.attributes = std::make_shared<decltype(attributes)>(attributes);
  made.kernels = &remat::kernel_table_of<remat::detail::kernels_of<sample>>;

  detail::computes(made, c, has_bias);  // the logits
  const auto logits = made.forward;
  const auto gradient = [=](const values& v) {
    return entropy.gradient(logits(v), v.integers[1], v.output_gradient[0]);
  };
  // Of a logit's gradient, as products read it.
  const auto error = [](const values& v, const expected& dl) { return dl.more + v.roundoff * std::abs(dl.value); };
  made.multiplies_bfloat16 = made.gives_float32 = true;
  made.forward = [=](const values& v) { return entropy.loss(logits(v), v.integers[1]); };
  made.input_gradient = [=](const values& v) {
    const expectation dl = gradient(v);
    expectation dx(rows * in);
    for (std::size_t r = 0; r < rows; ++r)
      for (std::size_t k = 0; k < classes; ++k)
        for (std::size_t i = 0; i < in; ++i) {
          const double w = static_cast<double>(v.parameters[0][k * in + i]);
          dx[r * in + i].add(dl[r * classes + k].value, w);
          dx[r * in + i].more += error(v, dl[r * classes + k]) * std::abs(w);
        }
    return dx;
  };
  made.parameter_gradient = [=](const values& v, std::size_t which) {
    const expectation dl = gradient(v);
    const std::size_t width = which == 0 ? in : 1;
    expectation dw(classes * width);
    for (std::size_t r = 0; r < rows; ++r)
      for (std::size_t k = 0; k < classes; ++k)
        for (std::size_t i = 0; i < width; ++i) {
          const double x = which == 0 ? static_cast<double>(v.inputs[0][r * in + i]) : 1;
          dw[k * width + i].add(dl[r * classes + k].value, x);
          dw[k * width + i].more += error(v, dl[r * classes + k]) * std::abs(x);
        }
    return dw;
  };
  return made;
}

}  // namespace fuzz
