// SPDX-License-Identifier: MIT
/// Softmax and its logarithm over rows of random sizes.
#pragma once

#include <remat/remat.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <memory>
#include <vector>

#include "../layer_case.hpp"
#include "functions.hpp"

namespace fuzz {

namespace detail {

/// Sizes of rows: (C), (T, C), (S, T, C) or an image (C, H, W).
inline void draw_rows(layer_case& made, random_source& random, bool may_be_image) {
  const bool is_long = random.one_in(40);
  const std::size_t size = is_long            ? random.between(8000, 12000)
                           : random.one_in(4) ? random.between(1, 700)
                                              : random.channels();
  const std::size_t kind = is_long ? random.between(1, 2) : random.between(1, may_be_image ? 4 : 3);
  made.batch = random.one_in(4) ? random.between(1, 70) : random.between(1, 9);
  made.inputs = {kind == 1   ? floats(size)
                 : kind == 2 ? floats(random.between(1, 9), size)
                 : kind == 3 ? floats(random.between(1, 5), random.between(1, 5), size)
                             : images(size, random.extent(20), random.extent(20))};
  if (made.inputs[0].elements(made.batch) > 500000) made.batch = 1;
  made.output = made.inputs[0];
  made.sizes = listed({{"size", size}, {"elements", made.output.elements()}});
}
inline std::size_t row_of(const layer_case& c) {
  return c.inputs[0].is_image() ? c.inputs[0].channels() : c.inputs[0].extents[c.inputs[0].rank - 1];
}

/// f(row begins here) for every row.
template <class F>
expectation by_rows(std::size_t elements, std::size_t size, const F& f) {
  expectation made(elements);
  for (std::size_t at = 0; at < elements; at += size) f(at, &made[at]);
  return made;
}

struct exponentials {
  double largest, sum;

  exponentials(const float* x, std::size_t size)
      : largest(static_cast<double>(*std::max_element(x, x + size))), sum(0) {
    for (std::size_t c = 0; c < size; ++c) sum += std::exp(static_cast<double>(x[c]) - largest);
  }
  /// Units of the relative error of an exponential and of the sum.
  double units(double x, std::size_t size) const { return static_cast<double>(size) + 16 + 2 * (largest - x); }
};

}  // namespace detail

inline layer_case softmax(random_source& random) {
  layer_case made;
  detail::draw_rows(made, random, true);
  made.layer = "softmax";
  made.kernels = &remat::kernel_table_of<remat::detail::kernels_of<remat::nn::softmax>>;
  made.works_in_place = true;
  made.takes_bfloat16 = true;
  made.input_scale = static_cast<float>(random.one_of({1, 10, 50}));
  made.forward = [size = detail::row_of(made)](const values& v) {
    return detail::by_rows(v.inputs[0].size(), size, [&](std::size_t at, expected* y) {
      const float* const x = &v.inputs[0][at];
      const detail::exponentials e(x, size);
      for (std::size_t c = 0; c < size; ++c) {
        const double value = std::exp(static_cast<double>(x[c]) - e.largest) / e.sum;
        y[c] = {value, 0, 0, value * e.units(static_cast<double>(x[c]), size) * unit_roundoff + detail::smallest};
      }
    });
  };
  made.input_gradient = [size = detail::row_of(made)](const values& v) {
    return detail::by_rows(v.output.size(), size, [&](std::size_t at, expected* dx) {
      expected sum;
      for (std::size_t c = 0; c < size; ++c)
        sum.add(static_cast<double>(v.output[at + c]), static_cast<double>(v.output_gradient[at + c]));
      for (std::size_t c = 0; c < size; ++c) {
        const double y = static_cast<double>(v.output[at + c]), dy = static_cast<double>(v.output_gradient[at + c]);
        dx[c] = {y * (dy - sum.value), 0, 0,
                 y * (sum.bound() + 4 * unit_roundoff * (std::abs(dy) + std::abs(sum.value))) + detail::smallest};
      }
    });
  };
  return made;
}

inline layer_case log_softmax(random_source& random) {
  layer_case made = softmax(random);
  made.layer = "log_softmax";
  made.takes_bfloat16 = false;
  made.kernels = &remat::kernel_table_of<remat::detail::kernels_of<remat::nn::log_softmax>>;
  made.forward = [size = detail::row_of(made)](const values& v) {
    return detail::by_rows(v.inputs[0].size(), size, [&](std::size_t at, expected* y) {
      const float* const x = &v.inputs[0][at];
      const detail::exponentials e(x, size);
      for (std::size_t c = 0; c < size; ++c) {
        const double value = static_cast<double>(x[c]) - e.largest - std::log(e.sum);
        y[c] = {value, 0, 0, (e.units(e.largest, size) + 4 * std::abs(value)) * unit_roundoff};
      }
    });
  };
  made.input_gradient = [size = detail::row_of(made)](const values& v) {
    return detail::by_rows(v.output.size(), size, [&](std::size_t at, expected* dx) {
      expected sum;
      for (std::size_t c = 0; c < size; ++c) sum.add(static_cast<double>(v.output_gradient[at + c]));
      for (std::size_t c = 0; c < size; ++c) {
        const double p = std::exp(static_cast<double>(v.output[at + c])),
                     dy = static_cast<double>(v.output_gradient[at + c]);
        const double units = 8 + 2 * std::abs(static_cast<double>(v.output[at + c]));
        dx[c] = {dy - p * sum.value, 0, 0,
                 p * (sum.bound() + units * unit_roundoff * std::abs(sum.value)) +
                     4 * unit_roundoff * (std::abs(dy) + p * std::abs(sum.value)) + detail::smallest};
      }
    });
  };
  return made;
}

}  // namespace fuzz
