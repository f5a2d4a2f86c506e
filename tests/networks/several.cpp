// SPDX-License-Identifier: MIT
// Several tensors on an edge: layers of the test's own with two or three outputs and two inputs, through a sequential
// as through a checkpoint; an output that nobody reads; a tensor with several readers.
#include "list.hpp"

#include <remat/nn/linear.hpp>
#include <remat/nn/log_softmax.hpp>
#include <remat/nn/nll_loss.hpp>
#include <remat/nn/relu.hpp>
#include <remat/nn/tanh.hpp>

namespace networks {
namespace several_parts {

namespace nn = remat::nn;
using remat::named, remat::sequential, remat::tensor, remat::tensors;

/// x, 2 x and x^2.
struct fan : remat::module {
  static constexpr std::string_view kind = "fan";
  template <std::size_t C>
  static tensors<tensor<float, C>, tensor<float, C>, tensor<float, C>> output(tensor<float, C>);
  static constexpr auto backward_input_reads = remat::reads::inputs;

  static void forward(const remat::forward_pass& pass) {
    const auto x = pass.input();
    const auto same = pass.output(0), twice = pass.output(1), square = pass.output(2);
    for (std::size_t i = 0; i < x.size(); ++i) {
      same[i] = x[i];
      twice[i] = 2 * x[i];
      square[i] = x[i] * x[i];
    }
  }
  static void backward_input(const remat::backward_pass& pass) {
    const auto x = pass.input();
    const auto of = [&](int output, std::size_t i) {
      return pass.has_output_gradient(output) ? pass.output_gradient(output)[i] : 0.0f;
    };
    pass.input_gradient().assign([&](std::size_t i) { return of(0, i) + 2 * of(1, i) + 2 * x[i] * of(2, i); });
  }
};

/// (a, b) to (a b, a + b).
struct mix : remat::module {
  static constexpr std::string_view kind = "mix";
  template <class X>
  static tensors<X, X> output(X, X);
  static constexpr auto backward_input_reads = remat::reads::inputs;

  static void forward(const remat::forward_pass& pass) {
    const auto a = pass.input(0), b = pass.input(1);
    const auto product = pass.output(0), sum = pass.output(1);
    for (std::size_t i = 0; i < a.size(); ++i) {
      product[i] = a[i] * b[i];
      sum[i] = a[i] + b[i];
    }
  }
  static void backward_input(const remat::backward_pass& pass) {
    const auto a = pass.input(0), b = pass.input(1), product = pass.output_gradient(0), sum = pass.output_gradient(1);
    if (pass.wants_input_gradient(0))
      pass.input_gradient(0).assign([=](std::size_t i) { return product[i] * b[i] + sum[i]; });
    if (pass.wants_input_gradient(1))
      pass.input_gradient(1).assign([=](std::size_t i) { return product[i] * a[i] + sum[i]; });
  }
};

/// (a, b) to a - b / 2.
struct lean : remat::module {
  static constexpr std::string_view kind = "lean";
  template <class X>
  static X output(X, X);

  static void forward(const remat::forward_pass& pass) {
    const auto a = pass.input(0), b = pass.input(1);
    const auto y = pass.output();
    for (std::size_t i = 0; i < a.size(); ++i) y[i] = a[i] - b[i] / 2;
  }
  static void backward_input(const remat::backward_pass& pass) {
    const auto dy = pass.output_gradient();
    if (pass.wants_input_gradient(0)) pass.input_gradient(0).assign([=](std::size_t i) { return dy[i]; });
    if (pass.wants_input_gradient(1)) pass.input_gradient(1).assign([=](std::size_t i) { return -dy[i] / 2; });
  }
};

// clang-format off
template <class Inner>
using net = sequential<
    named<"stem", nn::linear<10, 13>>, nn::tanh, remat::tag<"early">,
    named<"middle", sequential<
        fan, remat::pick<2, 0>,
        named<"inner", Inner>,
        lean, nn::linear<13, 13>, nn::relu>>,
    remat::join<"early", mix>,
    remat::parallel<lean, remat::sequential<remat::pick<1>, nn::linear<13, 13>, nn::tanh>,
                          remat::sequential<remat::pick<0>, nn::linear<13, 13>>>,
    nn::linear<13, 6>, nn::log_softmax>;
// clang-format on
using inner = sequential<mix, mix, lean, fan, remat::pick<0, 1>, mix>;

}  // namespace several_parts

network several() {
  using namespace several_parts;
  using input = tensor<float, 10>;
  return {
      .name = "several",
      .lower = &lowered<net<inner>, input, nn::nll_loss>,
      .microbatch = 7,
      .classes = 6,
      .as_types = {{"pairs of layers between several tensors",
                    &lowered<net<remat::checkpoint_sequential<inner, remat::strategy::group<2>>>, input, nn::nll_loss>,
                    {remat::checkpoint_at("middle.inner", remat::strategy::group<2>{})}}}};
}

}  // namespace networks
