// SPDX-License-Identifier: MIT
// Activations that a layer applies to its own output, and those that are modules of their own.
#include "kernel_run.hpp"

#include <catch2/catch.hpp>

#include <limits>

namespace activations_tests {

namespace nn = remat::nn;
using remat::sequential;
using remat::tensor;

using nothing = nn::dropout<0>;  // is between two modules, so that they are not fused

/// Outputs, then gradients, of a step.
template <class Net>
std::vector<floats> step() {
  remat::network net(remat::lower<Net, tensor<float, 37>>(), {.seed = 1, .threads = 1});
  std::vector<float> x(7 * 37), dy(7 * 5);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = 4 * number(i, 1);
  for (std::size_t i = 0; i < dy.size(); ++i) dy[i] = number(i, 2);
  std::size_t salt = 3;
  for (const auto& p : net.parameters()) {
    for (std::size_t i = 0; i < p.values.size(); ++i) p.values[i] = 0.3f * number(i, salt);
    ++salt;
  }
  const auto y = net.forward(x);
  std::vector<floats> results{{y.begin(), y.end()}};
  net.backward(dy);
  for (const auto& p : net.parameters()) results.emplace_back(p.gradient.begin(), p.gradient.end());
  return results;
}

template <class Activation>
bool fused_is_unfused() {
  using lift = nn::linear<37, 29>;
  using head = nn::linear<29, 5>;
  return same_bits(step<sequential<lift, Activation, head>>(), step<sequential<lift, nothing, Activation, head>>());
}

template <class Activation>
float at(float x) {
  kernel_run<Activation, tensor<float, 1>> run(1);
  run.inputs[0] = {x};
  run.forward();
  return run.outputs[0][0];
}

TEST_CASE("fused into a linear layer, an activation gives the bits that it gives alone") {
  CHECK(fused_is_unfused<nn::relu>());
  CHECK(fused_is_unfused<nn::tanh>());
  CHECK(fused_is_unfused<nn::sigmoid>());
}

TEST_CASE("activations of what is no ordinary number") {
  constexpr float infinity = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
  CHECK(at<nn::tanh>(infinity) == 1);
  CHECK(at<nn::tanh>(-infinity) == -1);
  CHECK(std::signbit(at<nn::tanh>(-0.0f)));
  CHECK(at<nn::sigmoid>(infinity) == 1);
  CHECK(at<nn::sigmoid>(-infinity) == 0);
  CHECK(at<nn::sigmoid>(-0.0f) == 0.5f);
  CHECK(at<nn::silu>(100) == 100);
  CHECK(at<nn::gelu>(100) == 100);
  CHECK(std::isnan(at<nn::tanh>(nan)));
  CHECK(std::isnan(at<nn::sigmoid>(nan)));
  CHECK(std::isnan(at<nn::silu>(nan)));
  CHECK(std::isnan(at<nn::gelu>(nan)));
  CHECK(std::isnan(at<nn::gelu_tanh>(nan)));
  CHECK(std::isnan(at<nn::softmax>(nan)));
}

}  // namespace activations_tests
