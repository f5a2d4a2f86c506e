// SPDX-License-Identifier: MIT
/// Layers that normalise rows, or channels, of random sizes.
///
/// The bound of what depends on all numbers of a row is the first-order effect of the errors of its sums, which are
/// (K + 8) 2^-24 of the sums of their magnitudes.
#pragma once

#include <remat/remat.hpp>

#include <cmath>
#include <cstddef>
#include <memory>

#include "../layer_case.hpp"
#include "softmaxes.hpp"

namespace fuzz {

namespace detail {

/// A row (or a channel) of numbers that are `step` apart, less its mean, by its deviation: h = (x - mean) r.
struct normalised {
  const float* x;
  std::size_t step, size;
  double mean = 0, r = 0;
  double mean_error = 0, r_error = 0;  ///< the latter relative

  normalised(const float* from, std::size_t apart, std::size_t count, double epsilon)
      : x(from), step(apart), size(count) {
    expected sum, squares;
    for (std::size_t i = 0; i < size; ++i) sum.add(at(i));
    mean = sum.value / static_cast<double>(size);
    mean_error = sum.bound() / static_cast<double>(size) + 2 * unit_roundoff * std::abs(mean);
    double distance = 0;
    for (std::size_t i = 0; i < size; ++i) {
      squares.add(at(i) - mean, at(i) - mean);
      distance += std::abs(at(i) - mean);
    }
    const double count_ = static_cast<double>(size), variance = squares.value / count_;
    const double variance_error =
        squares.bound() / count_ + 2 * distance / count_ * (mean_error + unit_roundoff) + mean_error * mean_error;
    r = 1 / std::sqrt(variance + epsilon);
    r_error = 0.6 * variance_error / (variance + epsilon) + 4 * unit_roundoff;
  }
  double at(std::size_t i) const { return static_cast<double>(x[i * step]); }
  double h(std::size_t i) const { return (at(i) - mean) * r; }
  double h_error(std::size_t i) const {
    return r * (mean_error + 2 * unit_roundoff * std::abs(at(i))) + std::abs(h(i)) * (r_error + 2 * unit_roundoff);
  }

  /// y = h w + b.
  expected scaled(std::size_t i, double w, double b) const {
    const double y = h(i) * w + b;
    return {y, 0, 0, h_error(i) * std::abs(w) + 4 * unit_roundoff * (std::abs(y) + std::abs(b) + std::abs(h(i) * w))};
  }
  /// dx = r (g - mean of g - h (mean of g h)); g(i) is the gradient of h.
  template <class G, class To>
  void differentiate(const G& g, const To& to) const {
    const double count = static_cast<double>(size);
    double sum = 0, product = 0, magnitude = 0, product_magnitude = 0, product_error = 0;
    for (std::size_t i = 0; i < size; ++i) {
      sum += g(i) / count;
      product += g(i) * h(i) / count;
      magnitude += std::abs(g(i)) / count;
      product_magnitude += std::abs(g(i) * h(i)) / count;
      product_error += std::abs(g(i)) * h_error(i) / count;
    }
    const double units = (count + 16) * unit_roundoff;
    for (std::size_t i = 0; i < size; ++i) {
      const double dx = r * (g(i) - sum - h(i) * product);
      const double error = units * (magnitude + std::abs(h(i)) * product_magnitude) + std::abs(h(i)) * product_error +
                           h_error(i) * std::abs(product) +
                           8 * unit_roundoff * (std::abs(g(i)) + std::abs(sum) + std::abs(h(i) * product));
      to(i, expected{dx, 0, 0, r * error + std::abs(dx) * (3 * r_error + 8 * unit_roundoff)});
    }
  }
};

}  // namespace detail

/// PyTorch's default, or another.
inline double drawn_epsilon(random_source& random) { return random.one_in(2) ? 1e-5 : random.one_in(2) ? 1e-3 : 0.5; }

inline layer_case layer_norm(random_source& random) {
  layer_case made;
  const double epsilon = drawn_epsilon(random);
  detail::draw_rows(made, random, false);
  const std::size_t size = detail::row_of(made);
  made.layer = "layer_norm";
  using sample = remat::nn::layer_norm<1>;
  auto attributes = sample::attributes;
  attributes.width = size;
  attributes.epsilon = epsilon;
  made.attributes = std::make_shared<decltype(attributes)>(attributes);
  made.kernels = &remat::kernel_table_of<remat::detail::kernels_of<sample>>;
  made.takes_bfloat16 = true;
  made.parameters = {size, size};
  made.saved = {floats(made.inputs[0].elements() / size)};
  made.saved.push_back(made.saved[0]);
  const auto w = [](const values& v, std::size_t c) { return static_cast<double>(v.parameters[0][c]); };
  made.forward = [=](const values& v) {
    return detail::by_rows(v.inputs[0].size(), size, [&](std::size_t at, expected* y) {
      const detail::normalised row(&v.inputs[0][at], 1, size, epsilon);
      for (std::size_t c = 0; c < size; ++c) y[c] = row.scaled(c, w(v, c), static_cast<double>(v.parameters[1][c]));
    });
  };
  made.input_gradient = [=](const values& v) {
    return detail::by_rows(v.inputs[0].size(), size, [&](std::size_t at, expected* dx) {
      const detail::normalised row(&v.inputs[0][at], 1, size, epsilon);
      row.differentiate([&](std::size_t c) { return static_cast<double>(v.output_gradient[at + c]) * w(v, c); },
                        [&](std::size_t c, const expected& e) { dx[c] = e; });
    });
  };
  made.parameter_gradient = [=](const values& v, std::size_t which) {
    expectation dw(size);
    for (std::size_t at = 0; at < v.inputs[0].size(); at += size) {
      const detail::normalised row(&v.inputs[0][at], 1, size, epsilon);
      for (std::size_t c = 0; c < size; ++c) {
        const double dy = static_cast<double>(v.output_gradient[at + c]);
        dw[c].add(dy, which == 0 ? row.h(c) : 1);
        if (which == 0) dw[c].more += std::abs(dy) * row.h_error(c);
      }
    }
    return dw;
  };
  return made;
}

/// y = x r w, r = 1 / sqrt(mean of x^2 + epsilon).
inline layer_case rms_norm(random_source& random) {
  layer_case made;
  detail::draw_rows(made, random, false);
  const std::size_t size = detail::row_of(made);
  made.layer = "rms_norm";
  using sample = remat::nn::rms_norm<1>;
  auto attributes = sample::attributes;
  attributes.width = size;
  made.attributes = std::make_shared<decltype(attributes)>(attributes);
  made.kernels = &remat::kernel_table_of<remat::detail::kernels_of<sample>>;
  made.takes_bfloat16 = true;
  made.parameters = {size};
  made.saved = {floats(made.inputs[0].elements() / size)};
  const double count = static_cast<double>(size), units = (count + 16) * unit_roundoff;
  const auto r_of = [=](const values& v, std::size_t at) {
    double squares = 0;
    for (std::size_t c = 0; c < size; ++c) squares += std::pow(static_cast<double>(v.inputs[0][at + c]), 2);
    return 1 / std::sqrt(squares / count + 1e-5);  // to `units`, relatively
  };
  const auto w = [](const values& v, std::size_t c) { return static_cast<double>(v.parameters[0][c]); };
  const auto x = [](const values& v, std::size_t i) { return static_cast<double>(v.inputs[0][i]); };
  const auto dy = [](const values& v, std::size_t i) { return static_cast<double>(v.output_gradient[i]); };
  made.forward = [=](const values& v) {
    return detail::by_rows(v.inputs[0].size(), size, [&](std::size_t at, expected* y) {
      const double r = r_of(v, at);
      for (std::size_t c = 0; c < size; ++c) {
        const double value = x(v, at + c) * r * w(v, c);
        y[c] = {value, 0, 0, units * std::abs(value)};
      }
    });
  };
  made.input_gradient = [=](const values& v) {
    return detail::by_rows(v.inputs[0].size(), size, [&](std::size_t at, expected* dx) {
      const double r = r_of(v, at);
      double mean = 0, magnitude = 0;
      for (std::size_t c = 0; c < size; ++c) {
        const double term = dy(v, at + c) * w(v, c) * x(v, at + c) * r / count;
        mean += term;
        magnitude += std::abs(term);
      }
      for (std::size_t c = 0; c < size; ++c) {
        const double g = dy(v, at + c) * w(v, c), h = x(v, at + c) * r;
        dx[c] = {r * (g - h * mean), 0, 0, r * units * (std::abs(g) + 4 * std::abs(h) * magnitude)};
      }
    });
  };
  made.parameter_gradient = [=](const values& v, std::size_t) {
    expectation dw(size);
    for (std::size_t at = 0; at < v.inputs[0].size(); at += size) {
      const double r = r_of(v, at);
      for (std::size_t c = 0; c < size; ++c) {
        dw[c].add(dy(v, at + c), x(v, at + c) * r);
        dw[c].more += units * std::abs(dy(v, at + c) * x(v, at + c) * r);
      }
    }
    return dw;
  };
  return made;
}

/// Of channels over the batch and all pixels.
inline layer_case batch_norm2d(random_source& random) {
  const std::size_t channels = random.channels();
  const double epsilon = drawn_epsilon(random);
  layer_case made;
  made.layer = "batch_norm2d";
  made.batch = random.between(2, 9);
  made.inputs = {images(channels, random.extent(40), random.extent(40))};
  made.output = made.inputs[0];
  made.sizes = listed({{"channels", channels}, {"height", made.output.height()}, {"width", made.output.width()}});
  using sample = remat::nn::batch_norm2d<1>;
  made.attributes = std::make_shared<remat::nn::batch_norm_options>(remat::nn::batch_norm_options{.epsilon = epsilon});
  made.kernels = &remat::kernel_table_of<remat::detail::kernels_of<sample>>;
  made.takes_bfloat16 = true;
  made.parameters = made.states = {channels, channels};
  const remat::tensor_shape numbers{remat::element::float32, false, 1, {channels}};
  made.saved = {numbers, numbers};
  const std::size_t rows = made.output.elements(made.batch) / channels;
  // f(channel, its numbers, its weight)
  const auto over_channels = [=](const values& v, const auto& f) {
    for (std::size_t c = 0; c < channels; ++c)
      f(c, detail::normalised(&v.inputs[0][c], channels, rows, epsilon), static_cast<double>(v.parameters[0][c]));
  };
  made.forward = [=](const values& v) {
    expectation y(rows * channels);
    over_channels(v, [&](std::size_t c, const detail::normalised& of, double w) {
      const double b = static_cast<double>(v.parameters[1][c]);
      const double mean = v.training ? 0 : static_cast<double>(v.states[0][c]);
      const double scale = v.training ? 0 : w / std::sqrt(static_cast<double>(v.states[1][c]) + epsilon);
      for (std::size_t i = 0; i < rows; ++i) {
        const double moved = (of.at(i) - mean) * scale;
        y[i * channels + c] =
            v.training
                ? of.scaled(i, w, b)
                : expected{moved + b, 0, 0,
                           8 * unit_roundoff * (std::abs(of.at(i) * scale) + std::abs(mean * scale) + std::abs(b))};
      }
    });
    return y;
  };
  made.input_gradient = [=](const values& v) {
    expectation dx(rows * channels);
    over_channels(v, [&](std::size_t c, const detail::normalised& of, double w) {
      of.differentiate([&](std::size_t i) { return static_cast<double>(v.output_gradient[i * channels + c]) * w; },
                       [&](std::size_t i, const expected& e) { dx[i * channels + c] = e; });
    });
    return dx;
  };
  made.parameter_gradient = [=](const values& v, std::size_t which) {
    expectation dw(channels);
    over_channels(v, [&](std::size_t c, const detail::normalised& of, double) {
      for (std::size_t i = 0; i < rows; ++i) {
        const double dy = static_cast<double>(v.output_gradient[i * channels + c]);
        dw[c].add(dy, which == 0 ? of.h(i) : 1);
        if (which == 0) dw[c].more += std::abs(dy) * of.h_error(i);
      }
    });
    return dw;
  };
  return made;
}

}  // namespace fuzz
