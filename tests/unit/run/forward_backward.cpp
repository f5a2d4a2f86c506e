// SPDX-License-Identifier: MIT
// A model without a loss: forward, backward from given gradients, gradients of inputs; several outputs; shared models.
#include "random_batch.hpp"
#include "same_bits.hpp"

#include <catch2/catch.hpp>

#include <cmath>
#include <span>
#include <vector>

namespace forward_backward_tests {

namespace nn = remat::nn;
using remat::image, remat::tensor;
using body = remat::sequential<nn::conv2d<2, 3, 3, nn::window{.padding = 1}>, nn::relu,
                               nn::conv2d<3, 4, 3, nn::window{.padding = 1}>>;
using input = image<float, 2, 5, 6>;

/// Gives its input and its double.
struct twice : remat::module {
  static constexpr std::string_view kind = "twice";
  template <class X>
  static remat::tensors<X, X> output(X);
  static void forward(const remat::forward_pass& pass) {
    for (std::size_t i = 0; i < pass.input().size(); ++i) {
      pass.output(0)[i] = pass.input()[i];
      pass.output(1)[i] = 2 * pass.input()[i];
    }
  }
  static void backward_input(const remat::backward_pass& pass) {
    const auto one = pass.output_gradient(0), two = pass.output_gradient(1);
    pass.input_gradient().assign([=](std::size_t i) { return one[i] + 2 * two[i]; });
  }
};

TEST_CASE("gradients of inputs have the inputs' numbers, of which integers have none") {
  remat::model<remat::sequential<remat::pick<1>, remat::nn::linear<3, 2>>,
               remat::tensors<remat::tensor<std::int32_t, 2>, remat::tensor<float, 3>>>
      m{{.seed = 1, .input_gradients = true}};
  m.forward(std::vector<std::int32_t>{1, 2, 3, 4}, std::vector<float>{1, 2, 3, 4, 5, 6});
  m.backward(std::vector<float>{1, 0, 0, 1});
  const auto w = m.parameter("1.weight").values;
  const auto dx = m.input_gradient(1);
  REQUIRE(dx.size() == 6);
  for (std::size_t i = 0; i < 6; ++i) CHECK(dx[i] == w[i]);
  CHECK_THROWS_WITH(m.input_gradient(0), Catch::Matchers::Contains("input 0 holds integers, and has no gradient"));
  CHECK_THROWS_WITH(m.input_gradient(2), Catch::Matchers::Contains("there is no input 2"));
}

TEST_CASE("forward and backward are a training step whose loss is the user's") {
  // The loss -mean(log p[target]), by hand after a model that ends before it.
  using net = remat::sequential<body, nn::flatten, nn::linear<120, 5>, nn::log_softmax>;
  const auto data = networks::random_batch(3, 60, 1, 5, 1);
  remat::model<net, input, nn::nll_loss> whole{{.seed = 2, .input_gradients = true}};
  remat::model<net, input> open{{.seed = 2, .input_gradients = true}};
  whole.train_step(data.inputs, data.targets);
  open.forward(data.inputs);
  std::vector<float> dy(15);
  for (std::size_t n = 0; n < 3; ++n) dy[n * 5 + static_cast<std::size_t>(data.targets[n])] = -1.0f / 3;
  open.backward(dy);
  for (std::size_t i = 0; i < whole.parameters().size(); ++i)
    CHECK(same_bits(whole.parameters()[i].gradient, open.parameters()[i].gradient));
  CHECK(same_bits(whole.input_gradient(), open.input_gradient()));
  CHECK(open.steps() == 1);
}

TEST_CASE("forward gives what predict gives, and images go both ways as (N, C, H, W)") {
  const auto data = networks::random_batch(2, 60, 1, 2, 1);
  remat::model<body, input> m{{.seed = 2, .input_gradients = true}};
  const auto predicted = m.predict(data.inputs);
  const std::vector<float> first(predicted.begin(), predicted.end());
  CHECK(same_bits(m.forward(data.inputs), first));
  std::vector<float> dy(2 * 120);
  for (std::size_t i = 0; i < dy.size(); ++i) dy[i] = static_cast<float>(i % 17) - 8;
  m.backward(dy);
  const auto given = m.input_gradient();
  const std::vector<float> gradient(given.begin(), given.end());
  std::vector<float> last(dy.size());  // the same gradient, channels-last
  for (std::size_t n = 0; n < 2; ++n)
    for (std::size_t c = 0; c < 4; ++c)
      for (std::size_t p = 0; p < 30; ++p) last[(n * 30 + p) * 4 + c] = dy[(n * 4 + c) * 30 + p];
  m.forward(data.inputs);
  m.backward(remat::channels_last(last));
  CHECK(same_bits(m.input_gradient(), gradient));
  CHECK(remat::check_gradients<body, input>().holds());
}

TEST_CASE("several outputs are all given, and take a gradient each") {
  using net = remat::sequential<nn::linear<4, 4>, twice>;
  remat::model<net, tensor<float, 4>> m{{.seed = 2}};
  const std::vector<float> x{1, 2, 3, 4}, dy{1, 1, 1, 1};
  const auto y = m.forward(x);
  for (std::size_t i = 0; i < 4; ++i) CHECK(m.output(1)[i] == 2 * y[i]);
  CHECK_THROWS_WITH(m.output(2), Catch::Matchers::Contains("no result number 2"));
  CHECK_THROWS_WITH(m.backward(dy), Catch::Matchers::Contains("2, and was given 1"));
  m.backward(dy, dy);
  for (const float g : m.parameter("0.bias").gradient) CHECK(g == 3);
  CHECK(remat::check_gradients<net, tensor<float, 4>>().holds());
}

TEST_CASE("a tensor that is several outputs gets the sum of their gradients") {
  using net = remat::sequential<nn::linear<4, 4>, remat::pick<0, 0, 0>>;
  const std::vector<float> x{1, 2, 3, 4}, one{1, 1, 1, 1}, ten{10, 10, 10, 10}, hundred{100, 100, 100, 100};
  for (const std::vector<remat::checkpoint_at>& checkpoints :
       {std::vector<remat::checkpoint_at>{}, std::vector<remat::checkpoint_at>{remat::checkpoint_at("")}}) {
    remat::model<net, tensor<float, 4>> m{{.seed = 2, .checkpoints = checkpoints}};
    m.forward(x);
    m.backward(one, ten, hundred);
    for (const float g : m.parameter("0.bias").gradient) CHECK(g == 111);
  }
  // The input may be one of them.
  using with_input = remat::parallel<remat::identity, remat::identity, nn::linear<4, 2, nn::bias::without>>;
  remat::model<with_input, tensor<float, 4>> m{{.seed = 2, .input_gradients = true}};
  m.forward(x);
  m.backward(ten, std::vector<float>{1, 0});
  for (std::size_t i = 0; i < 4; ++i) CHECK(m.input_gradient()[i] == 10 + m.parameters()[0].values[i]);
}

TEST_CASE("what cannot be asked is refused") {
  const auto data = networks::random_batch(2, 60, 1, 2, 1);
  const std::vector<float> dy(2 * 120), other(5);
  remat::model<body, input> m{{.seed = 2}};
  CHECK_THROWS_WITH(m.backward(dy), Catch::Matchers::Contains("call forward just before"));
  m.forward(data.inputs);
  CHECK_THROWS_WITH(m.backward(other), Catch::Matchers::Contains("has 5 elements; it takes 240"));
  m.predict(data.inputs);  // uses the memory that backward needs
  CHECK_THROWS_WITH(m.backward(dy), Catch::Matchers::Contains("call forward just before"));
  CHECK_THROWS_WITH(m.input_gradient(), Catch::Matchers::Contains(".input_gradients = true"));
  CHECK_THROWS_WITH(m.train_step(data.inputs), Catch::Matchers::Contains("needs a loss"));
}

TEST_CASE("two input sizes use one set of parameters") {
  remat::model<body, input> small{{.seed = 2}};
  remat::model<body, image<float, 2, 9, 7>> large(small);
  CHECK(small.parameters()[0].values.data() == large.parameters()[0].values.data());
  CHECK(small.identity() == large.identity());  // one optimizer serves both
  const auto data = networks::random_batch(2, 126, 1, 2, 1);
  const std::vector<float> dy(2 * 4 * 63, 1.0f);
  large.forward(data.inputs);
  large.backward(dy);
  remat::sgd optimizer{{.learning_rate = 1}};
  const float before = small.parameters()[1].values[0];
  optimizer.step(large);
  CHECK(small.parameters()[1].values[0] != before);
  using other = remat::sequential<nn::conv2d<2, 3, 3, nn::window{.padding = 1}>>;
  CHECK_THROWS_WITH((remat::model<other, input>(small)), Catch::Matchers::Contains("share parameters"));
}

TEST_CASE("the number of threads may change between steps") {
  const auto data = networks::random_batch(4, 60, 1, 2, 1);
  remat::model<body, input> m{{.seed = 2, .threads = 1}};
  const auto one = m.predict(data.inputs);
  const std::vector<float> first(one.begin(), one.end());
  m.set_threads(2);
  CHECK(m.threads() == 2);
  const auto two = m.predict(data.inputs);
  for (std::size_t i = 0; i < first.size(); ++i) CHECK(two[i] == Approx(first[i]));
  CHECK_THROWS_WITH(m.set_threads(-1), Catch::Matchers::Contains("1 to 1024 threads"));
}

TEST_CASE("all memory of a model has its line") {
  using net = remat::sequential<body, nn::flatten, nn::linear<120, 5>, nn::log_softmax>;
  remat::model<net, input, nn::nll_loss> m{{.seed = 2}};
  const auto data = networks::random_batch(64, 60, 1, 5, 1);
  remat::adam optimizer;
  m.train_step(data.inputs, data.targets);
  optimizer.step(m);
  const remat::memory_report r = m.memory(optimizer);
  CHECK(r.weights == r.gradients);
  CHECK(r.weights >= r.optimizer / 2);  // two moments, not aligned
  CHECK(r.optimizer == 2 * sizeof(float) * (54 + 3 + 108 + 4 + 600 + 5));
  CHECK(r.activations == m.plan().activation_bytes);
  CHECK(r.activations + r.packed + r.scratch == m.reserved().total());
  CHECK(r.explained() < r.resident);
}

// x + f(x) + x: a sum that wrote over its first input would read the sum where it means x.
TEST_CASE("a tensor may be several inputs of one module, of which it may write over the first") {
  using remat::identity;
  using net = remat::sequential<remat::frozen<nn::linear<4, 4>>,
                                remat::parallel<nn::add, identity, nn::silu, identity, identity>>;
  const std::vector<float> x{1, 2, 3, 4, -1, -2, -3, 0.5f};
  remat::model<net, tensor<float, 4>> open{{.seed = 1}};
  remat::model<net, tensor<float, 4>, nn::mse_loss> whole{{.seed = 1}};
  const std::span<const float> w = open.parameter("0.weight").values, b = open.parameter("0.bias").values;
  std::vector<double> expected;
  double squares = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    double y = static_cast<double>(b[i % 4]);
    for (std::size_t k = 0; k < 4; ++k)
      y += static_cast<double>(w[i % 4 * 4 + k]) * static_cast<double>(x[i / 4 * 4 + k]);
    expected.push_back(3 * y + y / (1 + std::exp(-y)));
    squares += expected.back() * expected.back();
  }
  const auto is_expected = [&](std::span<const float> found) {
    for (std::size_t i = 0; i < x.size(); ++i) CHECK(static_cast<double>(found[i]) == Approx(expected[i]).margin(1e-6));
  };
  is_expected(open.predict(x));
  is_expected(open.forward(x));
  CHECK(static_cast<double>(whole.train_step(x, std::vector<float>(8))) == Approx(squares / 8));
}

TEST_CASE("a call may be given what the last one gave") {
  remat::model<nn::linear<9000, 3>, tensor<float, 9000>> narrow{{.seed = 1, .input_gradients = true}};
  std::vector<float> x(2 * 9000);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i % 7) - 3;
  const auto y = narrow.forward(x);
  const std::vector<float> kept(y.begin(), y.end());
  narrow.backward(y);  // its input's gradient takes the place of y, and is larger
  const std::vector<float> found(narrow.input_gradient().begin(), narrow.input_gradient().end());
  narrow.forward(x);
  narrow.backward(kept);
  CHECK(same_bits(found, narrow.input_gradient()));
  // A larger batch, of what is in the same memory.
  remat::model<nn::linear<4, 4>, tensor<float, 4>> square{{.seed = 2}};
  const std::vector<float> four{1, 2, 3, 4};
  const auto once = square.predict(four);
  const std::vector<float> copy(once.begin(), once.end());
  const auto twice_over = square.predict(once);
  const std::vector<float> again(twice_over.begin(), twice_over.end());
  CHECK(same_bits(again, square.predict(copy)));
  // In micro-batches each writes its part of the inputs' gradients, before the next one is read.
  remat::model<nn::linear<4, 4>, tensor<float, 4>, nn::mse_loss> parts{
      {.seed = 2, .microbatches = 2, .input_gradients = true}};
  const std::vector<float> two{1, 2, 3, 4, 5, 6, 7, 8}, target(8);
  parts.train_step(two, target);
  const std::vector<float> gradient(parts.input_gradient().begin(), parts.input_gradient().end());
  const float expected = parts.train_step(gradient, target);
  const std::vector<float> expected_gradient(parts.input_gradient().begin(), parts.input_gradient().end());
  parts.train_step(two, target);
  CHECK(parts.train_step(parts.input_gradient(), target) == expected);
  CHECK(same_bits(parts.input_gradient(), expected_gradient));
}

}  // namespace forward_backward_tests
