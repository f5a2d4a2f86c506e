// SPDX-License-Identifier: MIT
// What oneDNN computes wrongly is not used: a convolution of every second pixel with few input channels.
#include <remat/remat.hpp>

#include <catch2/catch.hpp>

#include <cmath>
#include <cstddef>
#include <string>
#include <vector>

namespace onednn_skipped_tests {

namespace nn = remat::nn;

constexpr std::size_t batch = 2, in = 8, out = 16, size = 56, half = size / 2;

std::vector<float> drawn(std::size_t count, std::size_t salt) {
  std::vector<float> made(count);
  for (std::size_t i = 0; i < count; ++i) made[i] = std::sin(static_cast<float>((i * 7919 + salt * 104729) % 65521));
  return made;
}

using strided = remat::model<remat::sequential<nn::conv2d<in, out, 1, nn::window{.stride = 2}>>,
                             remat::image<float, in, size, size>, nn::mse_loss>;

/// The weights' gradient of the mean of squares, and how large its terms are.
struct naive_gradient {
  double values[out][in] = {}, magnitudes[out][in] = {};

  naive_gradient(strided& m, const std::vector<float>& x, const std::vector<float>& target) {
    const std::span<const float> w = m.parameters()[0].values, b = m.parameters()[1].values;
    const double share = 2.0 / static_cast<double>(target.size());
    for (std::size_t n = 0; n < batch; ++n)
      for (std::size_t r = 0; r < half; ++r)
        for (std::size_t c = 0; c < half; ++c)
          for (std::size_t o = 0; o < out; ++o) {
            const auto pixel = [&](std::size_t i) {
              return static_cast<double>(x[((n * in + i) * size + 2 * r) * size + 2 * c]);
            };
            double y = static_cast<double>(b[o]);
            for (std::size_t i = 0; i < in; ++i) y += static_cast<double>(w[o * in + i]) * pixel(i);
            const double dy = share * (y - static_cast<double>(target[((n * out + o) * half + r) * half + c]));
            for (std::size_t i = 0; i < in; ++i) {
              values[o][i] += dy * pixel(i);
              magnitudes[o][i] += std::abs(dy * pixel(i));
            }
          }
  }
};

template <class Conv, class Input>
std::string weight_gradient_of() {
  static constexpr remat::tensor_shape x = remat::shape_of<Input>::value,
                                       y = remat::shape_of<remat::output_of<Conv, Input>>::value;
  remat::preparation p;
  p.module_attributes = &Conv::attributes;
  p.inputs = {&x, 1};
  p.outputs = {&y, 1};
  p.batch = 32;
  p.backward_parameters = true;
  return std::string(nn::detail::prepared_conv2d(p).backward_weights.product.implementation());
}

TEST_CASE("the weights' gradient of a strided 1 x 1 convolution of few channels is the naive sum's") {
  const std::vector<float> x = drawn(batch * in * size * size, 1), target = drawn(batch * out * half * half, 2);
  for (const int threads : {1, 2}) {
    strided m{{.seed = 1, .threads = threads}};
    m.train_step(x, target);
    const naive_gradient naive(m, x, target);
    const std::span<const float> gradient = m.parameters()[0].gradient;
    for (std::size_t o = 0; o < out; ++o)
      for (std::size_t i = 0; i < in; ++i) {
        const double error = std::abs(static_cast<double>(gradient[o * in + i]) - naive.values[o][i]);
        CHECK(error <= (batch * half * half + 8) * 0x1p-24 * naive.magnitudes[o][i]);
      }
    CHECK(remat::audit(m, x, target).holds());
  }
}

TEST_CASE("an implementation is skipped where it is wrong, and nowhere else") {
  using remat::image;
  const std::string few = weight_gradient_of<nn::conv2d<7, 16, 1, nn::window{.stride = 2}>, image<float, 7, 28, 28>>();
  CHECK(few.find("jit_1x1") == few.npos);
  CHECK(few.find("ref") == few.npos);
  const std::string many =
      weight_gradient_of<nn::conv2d<64, 128, 1, nn::window{.stride = 2}>, image<float, 64, 28, 28>>();
  CHECK(many.find("jit_1x1") != many.npos);
}

}  // namespace onednn_skipped_tests
