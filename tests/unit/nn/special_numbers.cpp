// SPDX-License-Identifier: MIT
// Layers and losses at NaN, infinities, zeros, denormal and very large numbers, next to what PyTorch 2.15 gives.
#include "kernel_run.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

namespace special_numbers_tests {

namespace nn = remat::nn;
using remat::image, remat::tensor;

constexpr float infinity = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();

/// NaN is NaN, and what is smaller than any normal number is 0.
void check_close(const floats& found, const floats& expected) {
  REQUIRE(found.size() == expected.size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    INFO("element " << i << ": " << found[i] << ", PyTorch: " << expected[i]);
    if (std::isfinite(expected[i]))
      CHECK(found[i] == Approx(expected[i]).epsilon(1e-6).margin(1.2e-38));
    else
      CHECK((std::isnan(expected[i]) ? std::isnan(found[i]) : found[i] == expected[i]));
  }
}

const floats numbers{nan,  infinity, -infinity, -0.0f, 0.0f,   1e-40f, -1e-40f, 100,
                     -100, 3e38f,    -3e38f,    10000, -10000, 20,     -20,     1};

/// A function of one number: its values at `numbers`, and its slopes there.
template <class Function>
void check_function(const floats& y, const floats& slopes) {
  INFO(Function::kind);
  kernel_run<Function, tensor<float, 16>> run(1);
  run.inputs[0] = numbers;
  run.output_gradient.assign(16, 1);
  run.forward();
  check_close(run.outputs[0], y);
  check_close(run.backward()[0], slopes);
}

TEST_CASE("what is dropped is multiplied with 0, so that NaN stays") {
  kernel_run<nn::dropout<>, tensor<float, 64>> run(1);
  run.inputs[0].assign(64, nan);
  run.output_gradient.assign(64, infinity);
  run.forward();
  CHECK(std::ranges::all_of(run.outputs[0], [](float y) { return std::isnan(y); }));
  const floats dx = run.backward()[0];
  const auto dropped = std::ranges::count_if(dx, [](float d) { return std::isnan(d); });
  CHECK(dropped > 0);
  CHECK(std::ranges::count(dx, infinity) == 64 - dropped);
}

// clang-format off
TEST_CASE("functions of special numbers are PyTorch's") {
  check_function<nn::relu>({nan, infinity, 0, 0, 0, 0, 0, 100, 0, 3e38f, 0, 10000, 0, 20, 0, 1},
                           {1, 1, 0, 0, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1});
  check_function<nn::tanh>({nan, 1, -1, 0, 0, 0, 0, 1, -1, 1, -1, 1, -1, 1, -1, 0.761594176f},
                           {nan, 0, 0, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0.419974297f});
  check_function<nn::sigmoid>({nan, 1, 0, 0.5f, 0.5f, 0.5f, 0.5f, 1, 0, 1, 0, 1, 0, 1, 2.06115369e-9f, 0.731058597f},
                              {nan, 0, 0, 0.25f, 0.25f, 0.25f, 0.25f, 0, 0, 0, 0, 0, 0, 0, 2.06115369e-9f,
                               0.196611926f});
  // PyTorch's gelu of infinity is NaN, and so are its slopes at both infinities, which have limits.
  check_function<nn::gelu>({nan, infinity, nan, 0, 0, 0, 0, 100, 0, 3e38f, 0, 10000, 0, 20, 0, 0.841344714f},
                           {nan, 1, 0, 0.5f, 0.5f, 0.5f, 0.5f, 1, 0, 1, 0, 1, 0, 1, 0, 1.08331537f});
  check_function<nn::gelu_tanh>({nan, infinity, nan, 0, 0, 0, 0, 100, 0, 3e38f, 0, 10000, 0, 20, 0, 0.841192007f},
                                {nan, nan, nan, 0.5f, 0.5f, 0.5f, 0.5f, 1, 0, nan, nan, 1, 0, 1, 0, 1.08296406f});
  check_function<nn::silu>({nan, infinity, nan, 0, 0, 0, 0, 100, 0, 3e38f, 0, 10000, 0, 20, -4.12230747e-8f,
                            0.731058597f},
                           {nan, nan, nan, 0.5f, 0.5f, 0.5f, 0.5f, 1, 0, 1, 0, 1, 0, 1, -3.91619217e-8f, 0.92767054f});
}

const std::vector<floats> rows{{nan, 1, 2, 3}, {-infinity, -infinity, -infinity, -infinity}, {infinity, 1, 2, 3},
                               {infinity, -infinity, infinity, 0}, {-infinity, 1, 2, 3}, {1e38f, -1e38f, 0, 3e38f}};
const floats none{nan, nan, nan, nan};
// clang-format on

/// A row of 4, and, where the layer has other loops for many classes, one of 40, whose others take no part.
template <class Layer, std::size_t Classes>
void check_rows(const std::vector<floats>& y, const std::vector<floats>& dx) {
  INFO(Layer::kind << " of " << Classes);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    INFO("row " << i);
    kernel_run<Layer, tensor<float, Classes>> run(1);
    run.inputs[0] = rows[i];
    run.inputs[0].resize(Classes, -infinity);
    run.output_gradient = {1, -2, 3, 0.5f};
    run.output_gradient.resize(Classes);
    run.forward();
    floats values = run.outputs[0], gradients = run.backward()[0];
    values.resize(4);
    gradients.resize(4);
    check_close(values, y[i]);
    check_close(gradients, dx[i]);
  }
}

TEST_CASE("softmax and its logarithm of rows with special numbers are PyTorch's") {
  const std::vector<floats> y{none, none, none, none, {0, 0.0900305733f, 0.244728476f, 0.665240943f}, {0, 0, 0, 1}};
  const std::vector<floats> dx{none, none, none, none, {0, -0.259895295f, 0.517173767f, -0.257278442f}, {0, 0, 0, 0}};
  check_rows<nn::softmax, 4>(y, dx);
  check_rows<nn::softmax, 40>(y, dx);
  const std::vector<floats> logarithms{
      none, none, none, none, {-infinity, -2.40760589f, -1.40760589f, -0.407605946f}, {-2e38f, -infinity, -3e38f, 0}};
  const std::vector<floats> of_logarithms{none,          none, none, none, {1, -2.22507644f, 2.38817883f, -1.16310251f},
                                          {1, -2, 3, -2}};
  check_rows<nn::log_softmax, 4>(logarithms, of_logarithms);
  check_rows<nn::log_softmax, 40>(logarithms, of_logarithms);
}

template <class Loss, std::size_t Classes>
void check_cross_entropy() {
  INFO(Classes << " classes");
  const floats losses{nan, nan, nan, nan, 2.40760589f, infinity};
  const std::vector<floats> dx{none, none, none, none, {0, -0.909969449f, 0.244728491f, 0.665241003f}, {0, -1, 0, 1}};
  for (std::size_t i = 0; i < rows.size(); ++i) {
    INFO("row " << i);
    kernel_run<Loss, tensor<float, Classes>, tensor<std::int32_t>> run(1);
    run.inputs[0] = rows[i];
    run.inputs[0].resize(Classes, -infinity);
    run.integers[1] = {1};
    run.output_gradient = {1};
    run.forward();
    check_close(run.outputs[0], {losses[i]});
    floats gradients = run.backward()[0];
    gradients.resize(4);
    check_close(gradients, dx[i]);
  }
}

TEST_CASE("cross entropy of rows with special numbers is PyTorch's") {
  check_cross_entropy<nn::cross_entropy, 4>();
  check_cross_entropy<nn::cross_entropy, 40>();
}

TEST_CASE("binary cross entropy of special logits is PyTorch's") {
  // clang-format off
  // PyTorch's loss of -infinity, whose target is 1, is NaN, and that of -20, whose target is 0, is 0.
  const floats if_0{nan, infinity, nan, 0.693147182f, 0.693147182f, 0.693147182f, 0.693147182f, 100, 0, 3e38f, 0,
                    10000, 0, 20, 2.06115369e-9f, 1.31326175f},
      if_1{nan, nan, infinity, 0.693147182f, 0.693147182f, 0.693147182f, 0.693147182f, 0, 100, 0, 3e38f, 0, 10000,
           2.06115369e-9f, 20, 0.313261688f},
      slopes{nan, 1, 0, 0.5f, 0.5f, 0.5f, 0.5f, 1, 0, 1, 0, 1, 0, 1, 2.06115369e-9f, 0.731058597f};
  // clang-format on
  for (std::size_t i = 0; i < numbers.size(); ++i)
    for (const float target : {0.0f, 1.0f}) {
      INFO("logit " << numbers[i] << ", target " << target);
      kernel_run<nn::bce_with_logits, tensor<float, 1>, tensor<float, 1>> run(1);
      run.inputs = {{numbers[i]}, {target}};
      run.output_gradient = {1};
      run.forward();
      check_close(run.outputs[0], {target == 0 ? if_0[i] : if_1[i]});
      const float gradient = run.backward()[0][0];
      if (std::isnan(slopes[i]))
        CHECK(std::isnan(gradient));
      else
        CHECK(gradient == Approx(slopes[i] - target).margin(1e-8));
    }
}

TEST_CASE("the mean of a window with special numbers is PyTorch's") {
  kernel_run<nn::avg_pool2d<2>, image<float, 1, 2, 2>> run(4);
  run.inputs[0] = {-infinity, -infinity, 1, 2, nan, 1, 2, 3, infinity, 1, -infinity, 3, -0.0f, 0, -1, -2};
  run.forward();
  check_close(run.outputs[0], {-infinity, nan, nan, -0.75f});
}

}  // namespace special_numbers_tests
