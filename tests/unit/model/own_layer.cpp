// SPDX-License-Identifier: MIT
// The layer of docs/layers.md: a user's own, under a checkpoint and against finite differences.
#include <remat/remat.hpp>

#include <catch2/catch.hpp>

#include <array>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace own_layer_tests {

struct leaky_relu : remat::module {
  static constexpr std::string_view kind = "leaky_relu";
  template <class X>
  static X output(X);  // the shape law: what it accepts and what it gives
  static constexpr auto backward_input_reads = remat::reads::inputs;

  static void forward(const remat::forward_pass& pass) {
    auto x = pass.input();
    auto y = pass.output();
    for (std::size_t i = 0; i < y.size(); ++i) y[i] = x[i] > 0 ? x[i] : 0.01f * x[i];
  }
  static void backward_input(const remat::backward_pass& pass) {
    auto x = pass.input();
    auto dy = pass.output_gradient();
    pass.input_gradient().assign([=](std::size_t i) { return x[i] > 0 ? dy[i] : 0.01f * dy[i]; });
  }
};

using net = remat::sequential<
    remat::checkpoint<remat::sequential<remat::nn::linear<5, 9>, leaky_relu, remat::nn::linear<9, 9>, leaky_relu>>,
    remat::nn::linear<9, 3>, remat::nn::log_softmax>;

/// The same, but its gradient takes the place of what is there.
struct overwriting : leaky_relu {
  static void backward_input(const remat::backward_pass& pass) {
    auto x = pass.input();
    auto dy = pass.output_gradient();
    for (std::size_t i = 0; i < x.size(); ++i) pass.input_gradient().data()[i] = x[i] > 0 ? dy[i] : 0.01f * dy[i];
  }
};
/// The same, whose first gradient is no number.
struct first_is_nan : leaky_relu {
  static void backward_input(const remat::backward_pass& pass) {
    auto x = pass.input();
    auto dy = pass.output_gradient();
    pass.input_gradient().assign([=](std::size_t i) {
      return i == 0 ? std::numeric_limits<float>::quiet_NaN() : x[i] > 0 ? dy[i] : 0.01f * dy[i];
    });
  }
};
/// y = a x, whose parameter's gradient takes the place of what is there.
struct overwriting_parameter : remat::module {
  static constexpr std::string_view kind = "scale";
  static constexpr std::array parameters{remat::parameter("a", {1}, remat::initial::constant(2))};
  static constexpr auto backward_parameters_reads = remat::reads::inputs;
  template <class X>
  static X output(X);
  static void forward(const remat::forward_pass& pass) {
    for (std::size_t i = 0; i < pass.input().size(); ++i) pass.output()[i] = pass.parameter(0)[0] * pass.input()[i];
  }
  static void backward_input(const remat::backward_pass& pass) {
    const float a = pass.parameter(0)[0];
    auto dy = pass.output_gradient();
    pass.input_gradient().assign([=](std::size_t i) { return a * dy[i]; });
  }
  static void backward_parameters(const remat::backward_pass& pass) {
    float sum = 0;
    for (std::size_t i = 0; i < pass.input().size(); ++i) sum += pass.input()[i] * pass.output_gradient()[i];
    pass.parameter_gradient(0).data()[0] = sum;
  }
};

/// What check_gradients finds wrong.
template <class M>
std::vector<std::string> wrong() {
  std::vector<std::string> names;
  const remat::gradient_report r = remat::check_gradients<M, remat::tensor<float, 5>>();
  for (const remat::gradient_check& c : r.checks)
    if (c.error > r.tolerance) names.push_back(c.name);
  return names;
}

TEST_CASE("check_gradients finds who overwrites what other readers and earlier micro-batches have left") {
  CHECK(wrong<leaky_relu>().empty());
  CHECK_THROWS_WITH(
      (remat::check_gradients<remat::nn::embedding<4, 2>, remat::tensor<std::int32_t, 3>>({.indices = 0})),
      Catch::Matchers::Contains("at least 1"));
  const remat::gradient_report of_nan = remat::check_gradients<first_is_nan, remat::tensor<float, 5>>();
  CHECK(!of_nan.holds());
  CHECK(of_nan.checks[0].worst == 0);
  CHECK(wrong<overwriting>() == std::vector<std::string>{"input 0, added up"});
  CHECK(wrong<overwriting_parameter>() == std::vector<std::string>{"a, added up"});
}

/// a + b, and a - b; what of them is asked for is told by the test.
struct sum_and_difference : remat::module {
  static constexpr std::string_view kind = "sum_and_difference";
  using row = remat::tensor<float, 5>;
  static remat::tensors<row, row> output(row, row);
  static void forward(const remat::forward_pass& pass) {
    for (std::size_t i = 0; i < pass.input(0).size(); ++i) {
      pass.output(0)[i] = pass.input(0)[i] + pass.input(1)[i];
      pass.output(1)[i] = pass.input(0)[i] - pass.input(1)[i];
    }
  }
  static void backward_input(const remat::backward_pass& pass) {
    const bool asks = is_careful;
    for (int k = 0; k < 2; ++k) {
      if (asks && !pass.wants_input_gradient(k)) continue;
      const auto sum = pass.output_gradient(0);
      if (!asks || pass.has_output_gradient(1)) {
        const auto difference = pass.output_gradient(1);
        pass.input_gradient(k).assign(
            [=](std::size_t i) { return k == 0 ? sum[i] + difference[i] : sum[i] - difference[i]; });
      } else {
        pass.input_gradient(k).assign([=](std::size_t i) { return sum[i]; });
      }
    }
  }
  static inline bool is_careful = true;
};

TEST_CASE("a gradient that nobody wants, or gives, is refused by name, and is not needed by who asks before") {
  using Catch::Matchers::Contains;
  using namespace remat;
  using both = parallel<sum_and_difference, pick<0>, nn::linear<5, 5>>;  // the data itself, and what is trained
  model<sequential<both, pick<0>, nn::linear<5, 3>>, tensor<float, 5>, nn::cross_entropy> of_one{{.seed = 1}};
  model<sequential<both, nn::add, nn::linear<5, 3>>, tensor<float, 5>, nn::cross_entropy> of_both{{.seed = 1}};
  const std::vector<float> x{0.5f, -1, 2, 0.25f, -0.75f};
  const std::vector<std::int32_t> target{1};
  CHECK_NOTHROW(of_one.train_step(x, target));
  CHECK_NOTHROW(of_both.train_step(x, target));
  sum_and_difference::is_careful = false;
  CHECK_THROWS_WITH(of_one.train_step(x, target), Contains("sum_and_difference: output 1 did not lead to the loss"));
  CHECK_THROWS_WITH(of_both.train_step(x, target),
                    Contains("sum_and_difference: nobody wants the gradient of input 0"));
  sum_and_difference::is_careful = true;
}

/// y = x + a, which asks for one thing more than it declares.
struct asks_for_more : remat::module {
  static constexpr std::string_view kind = "asks_for_more";
  static constexpr std::array parameters{remat::parameter("a", {1}, remat::initial::constant(2))};
  template <class X>
  static X output(X);
  static void forward(const remat::forward_pass& pass) {
    pass.output()[0] = pass.input()[0] + pass.parameter(0)[0];
    if (asked == "input shape") pass.input_shape(1);
    if (asked == "output shape") pass.output_shape(1);
    if (asked == "saved shape") pass.saved_shape();
    if (asked == "saved") pass.saved();
    if (asked == "parameter") pass.parameter(1);
    if (asked == "state") pass.state(0);
  }
  static void backward_input(const remat::backward_pass& pass) {
    pass.input_gradient().assign([dy = pass.output_gradient()](std::size_t i) { return dy[i]; });
    if (asked == "wants") pass.wants_input_gradient(1);
    if (asked == "has") pass.has_output_gradient(-1);
  }
  static void backward_parameters(const remat::backward_pass& pass) {
    pass.parameter_gradient(0).assign([dy = pass.output_gradient()](std::size_t) { return dy[0]; });
    if (asked == "parameter gradient") pass.parameter_gradient(1);
  }
  static inline std::string_view asked;
};

TEST_CASE("what a kernel asks for and its module does not declare is refused by name, whoever comes after it") {
  using Catch::Matchers::Contains;
  using one = remat::tensor<float, 1>;
  remat::model<remat::sequential<remat::nn::linear<1, 1>, asks_for_more, remat::nn::linear<1, 2>>, one,
               remat::nn::cross_entropy>
      model{{.seed = 1}};
  const auto step_that_asks_for = [&](std::string_view what) {
    asks_for_more::asked = what;
    model.train_step(std::vector<float>{0.5f}, std::vector<std::int32_t>{1});
  };
  CHECK_NOTHROW(step_that_asks_for("nothing"));
  const std::vector<std::pair<std::string_view, std::string>> all{
      {"input shape", "input 1"},  {"output shape", "output 1"}, {"saved shape", "saved tensor 0"},
      {"saved", "saved tensor 0"}, {"parameter", "parameter 1"}, {"state", "state 0"},
      {"wants", "input 1"},        {"has", "output -1"},         {"parameter gradient", "parameter 1"}};
  for (const auto& [what, name] : all)
    CHECK_THROWS_WITH(step_that_asks_for(what), Contains("asks_for_more: there is no " + name + ";"));
  CHECK_NOTHROW(step_that_asks_for("nothing"));
}

TEST_CASE("a layer of a user's own trains under a checkpoint") {
  remat::model<net, remat::tensor<float, 5>, remat::nn::nll_loss> model{{.seed = 1}};
  const std::vector<float> x{0.5f, -1, 2, 0.25f, -0.75f, 1, 1, -2, 0.5f, 0.125f};
  const std::vector<std::int32_t> targets{2, 0};
  model.train_step(x, targets);
  CHECK(model.plan().recompute > 0);
  const auto& p = model.parameter("0.0.weight");
  const std::vector<float> gradient(p.gradient.begin(), p.gradient.end());
  for (std::size_t i = 0; i < p.values.size(); i += 4) {
    const float before = p.values[i], h = 0x1p-8f;
    p.values[i] = before + h;
    const float above = model.train_step(x, targets);
    p.values[i] = before - h;
    const float below = model.train_step(x, targets);
    p.values[i] = before;
    CHECK(gradient[i] == Approx((above - below) / (2 * h)).epsilon(0.02).margin(1e-3));
  }
}

}  // namespace own_layer_tests
