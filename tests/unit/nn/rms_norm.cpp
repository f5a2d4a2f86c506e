// SPDX-License-Identifier: MIT
// Normalisation of rows by their root mean square, and the epsilon of both norms.
#include "kernel_run.hpp"

#include <catch2/catch.hpp>

#include <cmath>
#include <cstddef>

namespace rms_norm_tests {

namespace nn = remat::nn;
using remat::tensor;

/// The factor of row `row` of `x`.
double factor(const floats& x, std::size_t row, std::size_t width, double epsilon) {
  double squares = 0;
  for (std::size_t c = 0; c < width; ++c) squares += std::pow(static_cast<double>(x[row * width + c]), 2);
  return 1 / std::sqrt(squares / static_cast<double>(width) + epsilon);
}

template <class Norm, std::size_t D>
void check(double epsilon, float scale) {
  kernel_run<Norm, tensor<float, 3, D>> run(5);
  for (float& x : run.inputs[0]) x *= scale;
  run.forward();
  const auto gradients = run.backward();
  const floats &x = run.inputs[0], &w = run.parameters[0], &dy = run.output_gradient;
  std::vector<double> dw(D);
  for (std::size_t row = 0; row < 15; ++row) {
    const double r = factor(x, row, D, epsilon);
    double mean = 0;
    for (std::size_t c = 0; c < D; ++c)
      mean += static_cast<double>(x[row * D + c]) * static_cast<double>(dy[row * D + c]) * static_cast<double>(w[c]) /
              static_cast<double>(D);
    for (std::size_t c = 0; c < D; ++c) {
      const double at = static_cast<double>(x[row * D + c]), g = static_cast<double>(dy[row * D + c]);
      const double weight = static_cast<double>(w[c]);
      CHECK(static_cast<double>(run.outputs[0][row * D + c]) == Approx(at * r * weight).epsilon(1e-5).margin(1e-30));
      CHECK(static_cast<double>(gradients[0][row * D + c]) ==
            Approx(r * (g * weight - at * r * r * mean)).epsilon(1e-4).margin(2e-6 * r));
      dw[c] += g * at * r;
    }
  }
  for (std::size_t c = 0; c < D; ++c)
    CHECK(static_cast<double>(gradients[1][c]) == Approx(dw[c]).epsilon(1e-4).margin(1e-5));
}

TEST_CASE("rms_norm gives each row a root mean square of 1, times the weights") {
  check<nn::rms_norm<37>, 37>(1e-5, 1);
  check<nn::rms_norm<1>, 1>(1e-5, 1);
  check<nn::rms_norm<64>, 64>(1e-5, 1e-3f);
}
TEST_CASE("the epsilon of rms_norm is an argument") {
  check<nn::rms_norm<8, nn::norm_options{.epsilon = 0.25}>, 8>(0.25, 1);
  check<nn::rms_norm<8, nn::norm_options{.epsilon = 1e-12}>, 8>(1e-12, 1e-5f);
}
TEST_CASE("the epsilon of layer_norm is an argument") {
  kernel_run<nn::layer_norm<2, nn::norm_options{.epsilon = 0.5}>, tensor<float, 2>> run(1);
  run.inputs[0] = {-1, 1};
  run.parameters = {{1, 1}, {0, 0}};
  run.forward();
  CHECK(run.outputs[0][1] == Approx(1 / std::sqrt(1.5)));
}
TEST_CASE("gradients of rms_norm are those of finite differences") {
  CHECK(remat::check_gradients<nn::rms_norm<7>, tensor<float, 3, 7>>().holds());
}

}  // namespace rms_norm_tests
