// SPDX-License-Identifier: MIT
// A layer's gradient of its input can be added to what is there: with a second reader of the same tensor, the gradient
// is the sum of both.
#include <remat/remat.hpp>

#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>
#include <span>
#include <vector>

namespace accumulation_tests {

namespace nn = remat::nn;

/// A loss of two tensors: the sum of a * v + b * w with fixed weights; either half can be switched off.
struct weighted_sum : remat::module {
  static constexpr std::string_view kind = "weighted_sum";
  template <class A, class B>
  static remat::scalar<float> output(A, B);
  static inline bool counts[2] = {true, true};
  static double weight(int i, std::size_t k) {
    return counts[i] ? static_cast<double>((k * 7 + static_cast<std::size_t>(i) * 3) % 11) / 11 - 0.4 : 0;
  }
  static void forward(const remat::forward_pass& pass) {
    double sum = 0;
    for (int i = 0; i < 2; ++i)
      for (std::size_t k = 0; k < pass.input(i).size(); ++k)
        sum += weight(i, k) * static_cast<double>(pass.input(i)[k]);
    pass.output()[0] = static_cast<float>(sum);
  }
  static void backward_input(const remat::backward_pass& pass) {
    for (int i = 0; i < 2; ++i)
      pass.input_gradient(i).assign(
          [&](std::size_t k) { return static_cast<float>(weight(i, k)) * pass.output_gradient()[0]; });
  }
};

/// stem, a and b in a row, then b is made to read what a reads, and the loss reads both.
template <class Stem, class A, class B, class Input>
remat::program two_readers() {
  remat::program p = remat::lower<remat::sequential<Stem, A, B>, Input>();
  const int a = p.operations.count() - 2, b = a + 1;
  p.operations[b].inputs = p.operations[a].inputs;
  remat::operation loss = remat::detail::operation_of<weighted_sum, false>();
  loss.inputs.push_back(p.operations[a].outputs[0]);
  loss.inputs.push_back(p.operations[b].outputs[0]);
  loss.outputs.push_back(p.add_tensor(remat::shape_of<remat::scalar<float>>::value, p.operations.count()));
  p.loss = loss.outputs[0];
  p.operations.push_back(loss);
  p.outputs = {};
  return p;
}

/// The stem's gradient is linear in its output's gradient: with both readers it is the sum of those with one.
template <class Stem, class A, class B, class Input>
void check(std::size_t batch, std::size_t elements) {
  remat::network net(two_readers<Stem, A, B, Input>(), {.seed = 1, .threads = 1});
  std::vector<float> x(batch * elements);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>((i * 37) % 101) / 50.0f - 1;
  bool adds = false;
  for (const remat::action& a : remat::internals::training(net, batch).planned().steps.actions)
    if (a.kind == remat::action_kind::backward_input) adds = adds || a.accumulates[0];
  REQUIRE(adds);
  const auto gradient = [&](bool first, bool second) {
    weighted_sum::counts[0] = first;
    weighted_sum::counts[1] = second;
    const remat::tensor_source source = remat::source_of(x);
    remat::internals::run_training(net, remat::internals::training(net, batch), remat::executor::step{1, 0},
                                   std::span(&source, 1));  // the same step, so the same dropout
    const auto g = net.parameters()[0].gradient;
    return std::vector<float>(g.begin(), g.end());
  };
  const auto one = gradient(true, false), other = gradient(false, true), both = gradient(true, true);
  double largest = 0;
  for (std::size_t i = 0; i < both.size(); ++i) {
    CHECK(static_cast<double>(both[i]) ==
          Approx(static_cast<double>(one[i]) + static_cast<double>(other[i])).epsilon(1e-5).margin(1e-5));
    largest =
        std::max(largest, std::min(std::abs(static_cast<double>(one[i])), std::abs(static_cast<double>(other[i]))));
  }
  CHECK(largest > 0.01);  // both contribute
}

using image = remat::image<float, 2, 8, 8>;
using stem = nn::conv2d<2, 4, 3, nn::window{.padding = 1}>;  // gives (4, 8, 8)

TEST_CASE("a second contribution to a gradient is added: linear") {
  check<nn::linear<6, 5>, nn::linear<5, 5>, nn::linear<5, 5>, remat::tensor<float, 6>>(3, 6);
}
TEST_CASE("a second contribution to a gradient is added: conv2d") {
  check<stem, nn::conv2d<4, 4, 3, nn::window{.padding = 1}>, nn::conv2d<4, 4, 3, nn::window{.padding = 1}>, image>(2,
                                                                                                                   128);
}
TEST_CASE("a second contribution to a gradient is added: max_pool2d") {
  check<stem, nn::max_pool2d<3, nn::window{.stride = 1, .padding = 1}>,
        nn::max_pool2d<3, nn::window{.stride = 1, .padding = 1}>, image>(2, 128);
}
TEST_CASE("a second contribution to a gradient is added: log_softmax") {
  check<stem, nn::log_softmax, nn::log_softmax, image>(2, 128);
}
TEST_CASE("a second contribution to a gradient is added: relu") { check<stem, nn::relu, nn::relu, image>(2, 128); }
TEST_CASE("a second contribution to a gradient is added: dropout") {
  check<stem, nn::dropout<>, nn::dropout<>, image>(2, 128);
}
TEST_CASE("a second contribution to a gradient is added: flatten") {
  check<stem, nn::flatten, nn::relu, image>(2, 128);
}

}  // namespace accumulation_tests
