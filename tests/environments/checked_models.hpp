// SPDX-License-Identifier: MIT
// Two models whose numbers are compared with sums in double: a wide product, which oneDNN shares out over threads by
// blocks, and a step of a convolution with a linear layer, whose weight gradients it sums over threads. And attention,
// of which each task is done by one thread, as one thread would.
#pragma once

#include "tests/same_bits.hpp"

#include <remat/remat.hpp>

#include <cmath>
#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace checked {

namespace nn = remat::nn;

/// Numbers in [-1, 1) that repeat late.
inline std::vector<float> numbers(std::size_t size, std::size_t start) {
  std::vector<float> made(size);
  for (std::size_t i = 0; i < size; ++i) {
    const auto mixed = static_cast<std::uint32_t>((i + start * 7919) * 2654435761u);
    made[i] = static_cast<float>(mixed >> 8) / 8388608.0f - 1;
  }
  return made;
}

/// A sum in double, and how far a sum of floats may be from it.
struct sum {
  double value = 0, magnitude = 0;

  void add(double a, double b) {
    value += a * b;
    magnitude += std::abs(a * b);
  }
  bool is(float found) const { return std::abs(static_cast<double>(found) - value) <= 1e-5 * magnitude + 1e-6; }
};

// --- a prediction of one linear layer ---------------------------------------------------------------------------------

inline constexpr std::size_t rows = 32, width = 1024;

using wide = remat::model<remat::sequential<nn::linear<width, width>>, remat::tensor<float, width>>;

inline std::vector<float> predict(wide& m) {
  const std::vector<float> x = numbers(rows * width, 1);
  const auto y = m.predict(x);
  return {y.begin(), y.end()};
}

/// How many of its outputs are wrong; every seventh row is looked at.
inline std::size_t wrong_outputs(const wide& m, std::span<const float> y) {
  const std::vector<float> x = numbers(rows * width, 1);
  const std::span<const float> w = m.parameter("0.weight").values, b = m.parameter("0.bias").values;
  std::size_t wrong = 0;
  for (std::size_t n = 0; n < rows; n += 7)
    for (std::size_t o = 0; o < width; ++o) {
      sum s{static_cast<double>(b[o])};
      for (std::size_t i = 0; i < width; ++i)
        s.add(static_cast<double>(x[n * width + i]), static_cast<double>(w[o * width + i]));
      wrong += s.is(y[n * width + o]) ? 0u : 1u;
    }
  return wrong;
}

// --- a training step --------------------------------------------------------------------------------------------------

inline constexpr std::size_t batch = 8, channels = 4, kernels = 16, size = 10, kernel = 3, inner = size - kernel + 1,
                             features = kernels * inner * inner, outputs = 12;

using small =
    remat::model<remat::sequential<nn::conv2d<channels, kernels, kernel>, nn::flatten, nn::linear<features, outputs>>,
                 remat::image<float, channels, size, size>, nn::mse_loss>;

/// All gradients after a training step, one after another.
inline std::vector<float> train(small& m) {
  m.train_step(numbers(batch * channels * size * size, 2), numbers(batch * outputs, 3));
  std::vector<float> all;
  for (const remat::parameter_view& p : m.parameters()) all.insert(all.end(), p.gradient.begin(), p.gradient.end());
  return all;
}

/// How many elements of its weights' gradients are wrong. The parameters must not have changed since.
inline std::size_t wrong_gradients(const small& m) {
  const std::vector<float> x = numbers(batch * channels * size * size, 2), target = numbers(batch * outputs, 3);
  const auto weight = [&](const char* name, std::size_t i) { return static_cast<double>(m.parameter(name).values[i]); };
  const auto pixel = [&](std::size_t n, std::size_t c, std::size_t h, std::size_t w) {
    return static_cast<double>(x[((n * channels + c) * size + h) * size + w]);
  };
  std::vector<double> a(batch * features), dy(batch * outputs), da(batch * features);
  for (std::size_t n = 0, at = 0; n < batch; ++n)
    for (std::size_t o = 0; o < kernels; ++o)
      for (std::size_t h = 0; h < inner; ++h)
        for (std::size_t w = 0; w < inner; ++w, ++at) {
          a[at] = weight("0.bias", o);
          for (std::size_t k = 0; k < channels * kernel * kernel; ++k)
            a[at] += weight("0.weight", o * channels * kernel * kernel + k) *
                     pixel(n, k / (kernel * kernel), h + k / kernel % kernel, w + k % kernel);
        }
  for (std::size_t n = 0; n < batch; ++n)
    for (std::size_t o = 0; o < outputs; ++o) {
      double y = weight("2.bias", o);
      for (std::size_t i = 0; i < features; ++i) y += weight("2.weight", o * features + i) * a[n * features + i];
      dy[n * outputs + o] = 2 * (y - static_cast<double>(target[n * outputs + o])) / static_cast<double>(dy.size());
      for (std::size_t i = 0; i < features; ++i)
        da[n * features + i] += weight("2.weight", o * features + i) * dy[n * outputs + o];
    }
  std::size_t wrong = 0;
  const std::span<const float> of_linear = m.parameter("2.weight").gradient;
  for (std::size_t o = 0; o < outputs; ++o)
    for (std::size_t i = 0; i < features; ++i) {
      sum s;
      for (std::size_t n = 0; n < batch; ++n) s.add(dy[n * outputs + o], a[n * features + i]);
      wrong += s.is(of_linear[o * features + i]) ? 0u : 1u;
    }
  const std::span<const float> of_kernel = m.parameter("0.weight").gradient;
  for (std::size_t at = 0; at < of_kernel.size(); ++at) {
    const std::size_t o = at / (channels * kernel * kernel), k = at % (channels * kernel * kernel);
    sum s;
    for (std::size_t n = 0; n < batch; ++n)
      for (std::size_t h = 0; h < inner; ++h)
        for (std::size_t w = 0; w < inner; ++w)
          s.add(da[((n * kernels + o) * inner + h) * inner + w],
                pixel(n, k / (kernel * kernel), h + k / kernel % kernel, w + k % kernel));
    wrong += s.is(of_kernel[at]) ? 0u : 1u;
  }
  return wrong;
}

// --- attention, whose tasks are each one thread's: the same bits whatever the number of threads -----------------------------

using attending =
    remat::model<nn::attention<2>, remat::tensors<remat::tensor<float, 100, 48>, remat::tensor<float, 100, 48>,
                                                  remat::tensor<float, 100, 48>>>;

/// What it gives, and its inputs' gradients.
inline std::vector<float> attend(int threads) {
  attending m{{.threads = threads, .input_gradients = true}};
  constexpr std::size_t elements = 4 * 100 * 48;
  const auto y = m.forward(numbers(elements, 4), numbers(elements, 5), numbers(elements, 6));
  std::vector<float> all(y.begin(), y.end());
  m.backward(numbers(elements, 7));
  for (std::size_t i = 0; i < 3; ++i) all.insert(all.end(), m.input_gradient(i).begin(), m.input_gradient(i).end());
  return all;
}

}  // namespace checked
