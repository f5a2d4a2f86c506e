// SPDX-License-Identifier: MIT
// An image times numbers of its channels, in either order; norms of the channels of each pixel.
#include "kernel_run.hpp"

#include <catch2/catch.hpp>

#include <cmath>
#include <cstddef>

namespace scale_channels_tests {

namespace nn = remat::nn;
using remat::image, remat::sequential, remat::tensor;

/// The image is input `at`.
template <std::size_t C, std::size_t H, std::size_t W>
void check(module_run&& run, std::size_t batch, std::size_t at) {
  run.forward();
  const auto gradients = run.backward();
  const floats &x = run.inputs[at], &s = run.inputs[1 - at], &dy = run.output_gradient;
  for (std::size_t n = 0; n < batch; ++n)
    for (std::size_t c = 0; c < C; ++c) {
      double sum = 0, magnitude = 0;
      for (std::size_t p = 0; p < H * W; ++p) {
        const std::size_t i = (n * H * W + p) * C + c;
        REQUIRE(run.outputs[0][i] == x[i] * s[n * C + c]);
        REQUIRE(gradients[at][i] == dy[i] * s[n * C + c]);
        const double term = static_cast<double>(dy[i]) * static_cast<double>(x[i]);
        sum += term;
        magnitude += std::abs(term);
      }
      REQUIRE(static_cast<double>(gradients[1 - at][n * C + c]) == Approx(sum).margin(1e-6 * magnitude));
    }
}

TEST_CASE("scale_channels multiplies each channel of an image with a number, in either order") {
  check<300, 9, 8>(kernel_run<nn::scale_channels, image<float, 300, 9, 8>, image<float, 300, 1, 1>>(3), 3, 0);
  check<300, 9, 8>(kernel_run<nn::scale_channels, image<float, 300, 1, 1>, image<float, 300, 9, 8>>(3), 3, 1);
  check<7, 1, 2>(kernel_run<nn::scale_channels, image<float, 7, 1, 2>, image<float, 7, 1, 1>>(1), 1, 0);
}

TEST_CASE("gradients of a squeeze-and-excitation are those of finite differences") {
  using squeeze =
      sequential<nn::adaptive_avg_pool2d<1>, nn::conv2d<4, 2, 1>, nn::tanh, nn::conv2d<2, 4, 1>, nn::sigmoid>;
  using excitation = remat::residual<squeeze, remat::identity, nn::scale_channels>;
  CHECK(remat::check_gradients<excitation, image<float, 4, 3, 5>>().holds());
}

TEST_CASE("norms of an image are those of its pixels as rows") {
  kernel_run<nn::layer_norm<6>, image<float, 6, 3, 5>> of_image(4);
  kernel_run<nn::layer_norm<6>, tensor<float, 15, 6>> of_rows(4);
  of_image.forward();
  of_rows.forward();
  CHECK(same_bits(of_image.outputs, of_rows.outputs));
  CHECK(same_bits(of_image.backward(), of_rows.backward()));
  CHECK(remat::check_gradients<nn::rms_norm<3>, image<float, 3, 2, 4>>().holds());
}

}  // namespace scale_channels_tests
