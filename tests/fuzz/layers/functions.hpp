// SPDX-License-Identifier: MIT
/// Functions of one number, on tensors of random sizes: activations, and flatten, whose function is the identity.
///
/// They are approximations, whose error may be some units of 2^-24 of the result, or of their argument where the result
/// is a difference. What is searched for here is larger: an element that is left out, or taken for another.
#pragma once

#include <remat/remat.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numbers>
#include <vector>

#include "../layer_case.hpp"

namespace fuzz {

namespace detail {

inline constexpr double smallest = 0x1p-120;  ///< that a kernel may take for 0

/// An approximation's error: eight units of the value and of `scale`.
inline expected approximately(double value, double scale) {
  return {value, 0, 0, 8 * unit_roundoff * (std::abs(value) + scale) + smallest};
}

/// That of an exponential of x, also the effect of rounding x by a unit.
inline expected approximately_exponential(double value, double x) {
  return approximately(value, std::abs(value * x) / 8);
}

/// `slope` is a function of input and output; `f` returns what is expected of y.
template <class M, class F, class Slope>
layer_case function_of_elements(const char* name, random_source& random, F f, Slope slope) {
  layer_case made;
  made.layer = name;
  made.batch = random.between(1, 9);
  const bool is_image = random.one_in(2);
  made.output =
      is_image ? images(random.channels(), random.extent(20), random.extent(20)) : floats(random.between(1, 5000));
  made.inputs = {made.output};
  made.input_scale = static_cast<float>(random.one_of({1, 1, 10, 100}));
  made.sizes = listed({{"elements", made.output.elements()}, {"scale", static_cast<std::size_t>(made.input_scale)}});
  made.kernels = &remat::kernel_table_of<remat::detail::kernels_of<M>>;
  made.works_in_place = M::is.in_place;
  made.forward = [f](const values& v) {
    expectation y(v.inputs[0].size());
    for (std::size_t i = 0; i < y.size(); ++i) y[i] = f(static_cast<double>(v.inputs[0][i]));
    return y;
  };
  made.input_gradient = [slope](const values& v) {
    expectation dx(v.inputs[0].size());
    for (std::size_t i = 0; i < dx.size(); ++i) {
      const expected s = slope(static_cast<double>(v.inputs[0][i]), static_cast<double>(v.output[i]));
      const double dy = static_cast<double>(v.output_gradient[i]);
      dx[i] = {s.value * dy, 0, 0, s.more * std::abs(dy)};
    }
    return dx;
  };
  return made;
}

inline double normal(double x) { return std::erfc(-x / std::sqrt(2.0)) / 2; }
inline double logistic(double x) { return 1 / (1 + std::exp(-x)); }

}  // namespace detail

inline layer_case relu(random_source& random) {
  layer_case made = detail::function_of_elements<remat::nn::relu>(
      "relu", random,
      [](double x) {
        return expected{std::max(x, 0.0), 0, 0, 0};
      },
      [](double, double y) {
        return expected{y > 0 ? 1.0 : 0.0, 0, 0, 0};
      });
  made.takes_bfloat16 = true;
  return made;
}
inline layer_case tanh(random_source& random) {
  return detail::function_of_elements<remat::nn::tanh>(
      "tanh", random, [](double x) { return detail::approximately(std::tanh(x), 0); },
      [](double, double y) { return detail::approximately((1 - y) * (1 + y), 0); });
}
inline layer_case sigmoid(random_source& random) {
  return detail::function_of_elements<remat::nn::sigmoid>(
      "sigmoid", random, [](double x) { return detail::approximately_exponential(detail::logistic(x), x); },
      [](double, double y) { return detail::approximately((1 - y) * y, 0); });
}
inline layer_case gelu(random_source& random) {
  return detail::function_of_elements<remat::nn::gelu>(
      "gelu", random, [](double x) { return detail::approximately(x * detail::normal(x), std::abs(x)); },
      [](double x, double) {
        const double density = std::exp(-x * x / 2) / std::sqrt(2 * std::numbers::pi);
        return detail::approximately(detail::normal(x) + x * density, 1 + std::abs(x));
      });
}
inline layer_case gelu_tanh(random_source& random) {
  static const double factor = std::sqrt(2 / std::numbers::pi);
  return detail::function_of_elements<remat::nn::gelu_tanh>(
      "gelu_tanh", random,
      [](double x) {
        return detail::approximately(x * (1 + std::tanh(factor * (x + 0.044715 * x * x * x))) / 2, std::abs(x));
      },
      [](double x, double) {
        const double t = std::tanh(factor * (x + 0.044715 * x * x * x));
        const double slope = (1 + t) / 2 + x * (1 - t) * (1 + t) / 2 * factor * (1 + 3 * 0.044715 * x * x);
        return detail::approximately(slope, 1 + std::abs(x));
      });
}
inline layer_case silu(random_source& random) {
  return detail::function_of_elements<remat::nn::silu>(
      "silu", random,
      [](double x) {
        expected y = detail::approximately_exponential(x * detail::logistic(x), x);
        y.more += std::abs(x) * detail::smallest;
        return y;
      },
      [](double x, double) {
        const double s = detail::logistic(x);
        return detail::approximately(s * (1 + x * (1 - s)), 1 + std::abs(x));
      });
}

/// Of two tensors; what is compared backward is the gradient of the first.
inline layer_case swiglu(random_source& random) {
  layer_case made = silu(random);
  made.layer = "swiglu";
  made.takes_bfloat16 = true;
  made.inputs.push_back(made.inputs[0]);
  made.kernels = &remat::kernel_table_of<remat::nn::swiglu>;
  const auto times_second = [](expectation all, const values& v) {
    for (std::size_t i = 0; i < all.size(); ++i) {
      const double u = static_cast<double>(v.inputs[1][i]);
      all[i].value *= u;
      all[i].more = all[i].more * std::abs(u) + 2 * unit_roundoff * std::abs(all[i].value) + detail::smallest;
    }
    return all;
  };
  made.forward = [=, f = made.forward](const values& v) { return times_second(f(v), v); };
  made.input_gradient = [=, f = made.input_gradient](const values& v) { return times_second(f(v), v); };
  return made;
}

/// Of up to four tensors; what is compared backward is the gradient of the first.
inline layer_case multiply(random_source& random) {
  layer_case made = relu(random);
  made.layer = "multiply";
  made.works_in_place = false;
  made.inputs.resize(random.between(2, 4), made.inputs[0]);
  made.sizes = listed({{"factors", made.inputs.size()}, {"elements", made.output.elements()}});
  made.kernels = &remat::kernel_table_of<remat::nn::multiply>;
  const auto times_others = [](const std::vector<float>& first, const values& v) {
    expectation all;
    for (std::size_t i = 0; i < first.size(); ++i) {
      double product = static_cast<double>(first[i]);
      for (std::size_t f = 1; f < v.inputs.size(); ++f) product *= static_cast<double>(v.inputs[f][i]);
      all.push_back({product, 0, 0, 4 * unit_roundoff * std::abs(product) + detail::smallest});
    }
    return all;
  };
  made.forward = [=](const values& v) { return times_others(v.inputs[0], v); };
  made.input_gradient = [=](const values& v) { return times_others(v.output_gradient, v); };
  return made;
}

/// Of up to four tensors, which differ in their channels; what is compared backward is the gradient of the first.
inline layer_case concat(random_source& random) {
  const std::size_t height = random.extent(20), width = random.extent(20);
  layer_case made;
  made.layer = "concat";
  made.batch = random.between(1, 5);
  std::size_t channels = 0;
  for (std::size_t left = random.between(2, 4); left > 0; --left) {
    made.inputs.push_back(images(random.channels(), height, width));
    channels += made.inputs.back().channels();
  }
  made.output = images(channels, height, width);
  made.sizes = listed({{"tensors", made.inputs.size()}, {"channels", channels}, {"height", height}, {"width", width}});
  made.kernels = &remat::kernel_table_of<remat::detail::kernels_of<remat::nn::concat>>;
  made.takes_bfloat16 = true;
  std::vector<std::size_t> parts;
  for (const remat::tensor_shape& x : made.inputs) parts.push_back(x.channels());
  made.forward = [=](const values& v) {
    expectation y;
    for (std::size_t pixel = 0; pixel < v.inputs[0].size() / parts[0]; ++pixel)
      for (std::size_t i = 0; i < parts.size(); ++i)
        for (std::size_t c = 0; c < parts[i]; ++c)
          y.push_back({static_cast<double>(v.inputs[i][pixel * parts[i] + c]), 0, 0, 0});
    return y;
  };
  made.input_gradient = [=](const values& v) {
    expectation dx;
    for (std::size_t pixel = 0; pixel < v.output_gradient.size() / channels; ++pixel)
      for (std::size_t c = 0; c < parts[0]; ++c)
        dx.push_back({static_cast<double>(v.output_gradient[pixel * channels + c]), 0, 0, 0});
    return dx;
  };
  return made;
}

/// (N, H, W, C) as (N, C, H, W).
inline layer_case flatten(random_source& random) {
  const std::size_t channels = random.channels(), height = random.extent(40), width = random.extent(40);
  const std::size_t pixels = height * width;
  layer_case made;
  made.layer = "flatten";
  made.sizes = listed({{"channels", channels}, {"height", height}, {"width", width}});
  made.batch = random.between(1, 5);
  made.inputs = {images(channels, height, width)};
  made.output = floats(channels * pixels);
  made.kernels = &remat::kernel_table_of<remat::detail::kernels_of<remat::nn::flatten>>;
  const auto moved = [=](const std::vector<float>& from, std::size_t rows, std::size_t columns) {
    expectation to(from.size());
    for (std::size_t i = 0; i < from.size(); ++i) {
      const std::size_t n = i / (rows * columns), row = i / columns % rows, column = i % columns;
      to[(n * columns + column) * rows + row].value = static_cast<double>(from[i]);
    }
    return to;
  };
  made.forward = [=](const values& v) { return moved(v.inputs[0], pixels, channels); };
  made.input_gradient = [=](const values& v) { return moved(v.output_gradient, channels, pixels); };
  return made;
}

}  // namespace fuzz
