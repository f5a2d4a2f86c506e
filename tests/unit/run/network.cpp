// SPDX-License-Identifier: MIT
// What a model does with its user's data: batches of several sizes, layouts, wrong shapes and targets.
#include "random_batch.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <sstream>
#include <vector>

namespace network_tests {

namespace nn = remat::nn;
using Catch::Matchers::Contains;
using classifier = remat::model<remat::sequential<nn::linear<6, 16>, nn::relu, nn::linear<16, 3>, nn::log_softmax>,
                                remat::tensor<float, 6>, nn::nll_loss>;

/// Bytes as floats.
struct as_numbers : remat::module {
  static constexpr std::string_view kind = "as_numbers";
  template <std::size_t N>
  static remat::tensor<float, N> output(remat::tensor<std::uint8_t, N>);
  static void forward(const remat::forward_pass& pass) {
    const auto bytes = pass.input<std::uint8_t>();
    for (std::size_t i = 0; i < bytes.size(); ++i) pass.output()[i] = bytes[i];
  }
};

TEST_CASE("training lowers the loss") {
  classifier model{{.seed = 1}};
  remat::adam optimizer{{.learning_rate = 0.01f}};
  const auto data = networks::random_batch(32, 6, 1, 3, 1);
  const float first = model.train_step(data.inputs, data.targets);
  float last = first;
  for (int i = 0; i < 300; ++i) {
    optimizer.step(model);
    last = model.train_step(data.inputs, data.targets);
  }
  CHECK(last < 0.2f * first);
  std::vector<std::pair<std::vector<float>, std::vector<std::int32_t>>> batches{{data.inputs, data.targets}};
  CHECK(model.evaluate(batches, remat::accuracy{}) > 0.95);
}

TEST_CASE("a model meets several batch sizes, and each keeps its results") {
  classifier model{{.seed = 1}};
  const auto eight = networks::random_batch(8, 6, 1, 3, 1), three = networks::random_batch(3, 6, 1, 3, 2);
  const float a = model.train_step(eight.inputs, eight.targets);
  const std::vector<float> before(model.parameters()[0].gradient.begin(), model.parameters()[0].gradient.end());
  const float b = model.train_step(three.inputs, three.targets);
  CHECK(model.plan().batch == 3);
  CHECK(model.train_step(eight.inputs, eight.targets) == a);
  CHECK(std::ranges::equal(before, model.parameters()[0].gradient));
  CHECK(model.train_step(three.inputs, three.targets) == b);
}

TEST_CASE("predict gives what training sees, sample by sample") {
  classifier model{{.seed = 1, .threads = 1}};
  const auto data = networks::random_batch(4, 6, 1, 3, 1);
  const auto whole = model.predict(data.inputs);
  const std::vector<float> together(whole.begin(), whole.end());
  double loss = 0;
  for (std::size_t n = 0; n < 4; ++n) {
    const auto one = model.predict(std::span(data.inputs).subspan(6 * n, 6));
    for (std::size_t c = 0; c < 3; ++c) CHECK(one[c] == Approx(together[3 * n + c]).epsilon(1e-5));
    loss -= static_cast<double>(together[3 * n + static_cast<std::size_t>(data.targets[n])]) / 4;
  }
  CHECK(model.train_step(data.inputs, data.targets) == Approx(loss).epsilon(1e-6));
}

TEST_CASE("dropout is the identity in predict, and differs from step to step in training") {
  using net = remat::sequential<nn::linear<6, 64>, nn::dropout<>, nn::linear<64, 3>, nn::log_softmax>;
  remat::model<net, remat::tensor<float, 6>, nn::nll_loss> model{{.seed = 1}};
  const auto data = networks::random_batch(4, 6, 1, 3, 1);
  const float first = model.train_step(data.inputs, data.targets);
  CHECK(model.train_step(data.inputs, data.targets) != first);
  const std::vector<float> once(model.predict(data.inputs).begin(), model.predict(data.inputs).end());
  CHECK(std::ranges::equal(once, model.predict(data.inputs)));
  remat::model<net, remat::tensor<float, 6>, nn::nll_loss> again{{.seed = 1}};
  CHECK(again.train_step(data.inputs, data.targets) == first);
}

TEST_CASE("images come as (N, C, H, W) or as (N, H, W, C), and go out as (N, C, H, W)") {
  using net = remat::sequential<nn::conv2d<3, 4, 3, nn::window{.padding = 1}>>;
  remat::model<net, remat::image<float, 3, 5, 6>> model{{.seed = 1}};
  const auto data = networks::random_batch(2, 90, 1, 2, 1);
  std::vector<float> last(180);
  for (std::size_t n = 0; n < 2; ++n)
    for (std::size_t c = 0; c < 3; ++c)
      for (std::size_t p = 0; p < 30; ++p) last[(n * 30 + p) * 3 + c] = data.inputs[(n * 3 + c) * 30 + p];
  const std::vector<float> first_result(model.predict(data.inputs).begin(), model.predict(data.inputs).end());
  CHECK(std::ranges::equal(first_result, model.predict(remat::channels_last(last))));
  // A pixel in the middle, by hand.
  const auto weight = model.parameter("0.weight").values, bias = model.parameter("0.bias").values;
  double expected = bias[2];
  for (std::size_t c = 0; c < 3; ++c)
    for (std::size_t y = 0; y < 3; ++y)
      for (std::size_t x = 0; x < 3; ++x)
        expected += static_cast<double>(weight[((2 * 3 + c) * 3 + y) * 3 + x] *
                                        data.inputs[90 + c * 30 + (1 + y) * 6 + (2 + x)]);
  CHECK(first_result[(4 + 2) * 30 + 2 * 6 + 3] == Approx(expected).epsilon(1e-5));
}

TEST_CASE("targets may be integers of any type") {
  classifier model{{.seed = 1}};
  const auto data = networks::random_batch(4, 6, 1, 3, 1);
  const std::vector<std::uint8_t> bytes(data.targets.begin(), data.targets.end());
  const std::vector<std::int64_t> wide(data.targets.begin(), data.targets.end());
  const float expected = model.train_step(data.inputs, data.targets);
  CHECK(model.train_step(data.inputs, bytes) == expected);
  CHECK(model.train_step(data.inputs, wide) == expected);
}

TEST_CASE("an input of bytes takes integers from 0 to 255") {
  remat::model<as_numbers, remat::tensor<std::uint8_t, 3>> model{{.seed = 1}};
  CHECK(std::ranges::equal(model.predict(std::vector<std::uint8_t>{0, 7, 255}), std::vector<float>{0, 7, 255}));
  CHECK(std::ranges::equal(model.predict(std::vector<int>{1, 2, 3}), std::vector<float>{1, 2, 3}));
  CHECK_THROWS_WITH(model.predict(std::vector<int>{1, 256, 3}), Contains("from 0 to 255, and was given 256"));
  CHECK_THROWS_WITH(model.predict(std::vector<float>{1, 2, 3}), Contains("takes integers"));
}

TEST_CASE("what does not fit is refused, and parameters stay as they are") {
  classifier model{{.seed = 1}};
  const auto data = networks::random_batch(4, 6, 1, 3, 1);
  const std::vector<std::byte> before(remat::internals::store(model).value_block().begin(),
                                      remat::internals::store(model).value_block().end());
  const std::vector<float> nothing, odd(25, 1.0f);
  const std::vector<std::int32_t> few(3, 0);
  CHECK_THROWS_WITH(model.train_step(odd, data.targets),
                    Contains("input 0 has 25 elements") && Contains("6 float32 (6)"));
  CHECK_THROWS_WITH(model.train_step(nothing, data.targets),
                    Contains("input 0 is empty; a call takes at least one sample"));
  CHECK_THROWS_WITH(model.train_step(data.inputs, few), Contains("target 0 holds 3 samples, input 0 holds 4"));
  CHECK_THROWS_WITH(model.train_step(data.targets, data.targets), Contains("takes float"));
  CHECK_THROWS_WITH(model.train_step(data.inputs), Contains("takes 2 tensors"));
  auto wrong = data.targets;
  wrong[2] = 3;
  CHECK_THROWS_WITH(model.train_step(data.inputs, wrong),
                    Contains("target 3 at place 2") && Contains("classes are 0 to 2"));
  const std::vector<std::int64_t> huge{0, 1, std::int64_t{1} << 32, 2};
  CHECK_THROWS_WITH(model.train_step(data.inputs, huge), Contains("is no class"));
  CHECK(std::ranges::equal(before, remat::internals::store(model).value_block()));
  CHECK_THROWS_WITH(model.parameter("0.weigth"), Contains("0.weight, 0.bias, 2.weight, 2.bias"));
  CHECK_THROWS_WITH(model.plan(0), Contains("at least one sample"));
  CHECK_THROWS_WITH(model.inference_plan(0), Contains("at least one sample"));
  for (const int bits : {29, 32, 62, 63}) {
    const std::size_t batch = std::size_t{1} << bits;
    CHECK_THROWS_WITH(model.plan(batch), Contains("a batch of " + std::to_string(batch) + " makes a tensor of more"));
    CHECK_THROWS_WITH(model.inference_plan(batch), Contains("take smaller batches"));
    CHECK_THROWS_WITH(model.peak_activation_bytes(batch), Contains("take smaller batches"));
  }
  CHECK_THROWS_WITH(classifier{}.plan(), Contains("plan(64)"));
  CHECK_THROWS_WITH((classifier{{.threads = -1}}), Contains("1 to 1024 threads"));
  // After all that, it trains.
  CHECK(model.train_step(data.inputs, data.targets) > 0);
}

TEST_CASE("after a call that failed there are no results") {
  classifier model{{.seed = 1, .input_gradients = true}};
  const auto data = networks::random_batch(4, 6, 1, 3, 1);
  auto wrong = data.targets;
  wrong[2] = 3;
  model.train_step(data.inputs, data.targets);
  CHECK(model.input_gradient(0).size() == 24);
  CHECK_THROWS_WITH(model.train_step(data.inputs, wrong), Contains(", in 'loss'"));
  CHECK_THROWS_WITH(model.input_gradient(0), Contains("failed call"));
  CHECK_THROWS_WITH(model.output(0), Contains("there is no output"));

  remat::model<nn::embedding<5, 3>, remat::tensor<std::int32_t, 2>> table{{.seed = 1}};
  CHECK(table.predict(std::vector<int>{0, 4}).size() == 6);
  CHECK_THROWS_WITH(table.predict(std::vector<int>{0, 5}), Contains("names no row") && Contains(", in the model"));
  CHECK_THROWS_WITH(table.output(0), Contains("failed call"));
}

TEST_CASE("a model without a loss has no micro-batches") {
  using net = remat::model<nn::linear<6, 3>, remat::tensor<float, 6>>;
  CHECK_NOTHROW(net{{.microbatches = 1}});
  CHECK_THROWS_WITH(net{{.microbatches = 4}}, Contains("a model without a loss") && Contains("4 micro-batches"));
}

TEST_CASE("a step that is refused leaves states as they were") {
  using net =
      remat::sequential<nn::conv2d<1, 4, 3>, nn::batch_norm2d<4>, nn::flatten, nn::linear<64, 3>, nn::log_softmax>;
  remat::model<net, remat::image<float, 1, 6, 6>, nn::nll_loss> model{{.seed = 1}};
  auto data = networks::random_batch(4, 36, 1, 3, 1);
  model.train_step(data.inputs, data.targets);
  const std::vector<std::byte> before(remat::internals::store(model).state_block().begin(),
                                      remat::internals::store(model).state_block().end());
  data.targets[3] = 7;
  CHECK_THROWS_WITH(model.train_step(data.inputs, data.targets), Contains("is no class"));
  CHECK(std::ranges::equal(before, remat::internals::store(model).state_block()));
  CHECK_THROWS_WITH(remat::audit(model, data.inputs, data.targets), Contains("is no class"));
  CHECK(std::ranges::equal(before, remat::internals::store(model).state_block()));
  data.targets[3] = 2;
  remat::adamw optimizer{{.weight_decay = 1}};
  CHECK_THROWS_WITH(optimizer.step(model), Contains("the last step was refused and has left no gradients"));
  CHECK_THROWS_WITH(remat::clip_gradients(model, 1), Contains("the last step was refused"));
  model.train_step(data.inputs, data.targets);
  CHECK_NOTHROW(optimizer.step(model));
  CHECK_FALSE(std::ranges::equal(before, remat::internals::store(model).state_block()));
}

TEST_CASE("targets of -100 do not count") {
  classifier model{{.seed = 1}};
  const auto data = networks::random_batch(4, 6, 1, 3, 1);
  auto some = data.targets;
  some[1] = some[3] = -100;
  std::vector<float> inputs;
  for (std::size_t n : {0u, 2u})
    inputs.insert(inputs.end(), data.inputs.begin() + static_cast<std::ptrdiff_t>(6 * n),
                  data.inputs.begin() + static_cast<std::ptrdiff_t>(6 * n + 6));
  const float expected = model.train_step(inputs, std::vector<std::int32_t>{data.targets[0], data.targets[2]});
  CHECK(model.train_step(data.inputs, some) == Approx(expected).epsilon(1e-6));
}

TEST_CASE("asking for a plan reserves nothing, and an impossible batch is refused") {
  classifier model{{.seed = 1}};
  CHECK(model.plan(1'000'000).activation_bytes > 100'000'000);
  CHECK(model.reserved().total() == 0);
  CHECK_THROWS_WITH(model.plan(std::size_t{1} << 60), Contains("take smaller batches"));
}

TEST_CASE("metrics see their numbers disagree, and leave out what does not count") {
  classifier model{{.seed = 1}};
  const auto data = networks::random_batch(4, 6, 1, 3, 1);
  const auto outputs = model.predict(data.inputs);
  remat::accuracy metric;
  CHECK_THROWS_WITH(metric.add(outputs, std::vector<int>(5), model.output_shape()),
                    Contains("5 targets for 4 outputs"));
  metric.add(outputs, std::vector<int>{-100, -100, -100, -100}, model.output_shape());
  CHECK(std::isnan(metric.value()));
  std::vector<int> best(4);
  for (std::size_t n = 0; n < 4; ++n)
    for (int c = 1; c < 3; ++c)
      if (outputs[3 * n + static_cast<std::size_t>(c)] > outputs[3 * n + static_cast<std::size_t>(best[n])])
        best[n] = c;
  best[1] = -100;
  metric.add(outputs, best, model.output_shape());
  CHECK(metric.value() == 1);
}

TEST_CASE("paths are unique, a model computes something, and predict gives one output") {
  using twins = remat::sequential<remat::named<"a", nn::linear<6, 6>>, remat::named<"a", nn::linear<6, 3>>>;
  CHECK_THROWS_WITH((remat::model<twins, remat::tensor<float, 6>>{}), Contains("two modules have the path 'a'"));
  CHECK_THROWS_WITH((remat::model<remat::sequential<>, remat::tensor<float, 6>>{}), Contains("at least one module"));
}

TEST_CASE("a model may move") {
  classifier model{{.seed = 1}};
  const auto data = networks::random_batch(4, 6, 1, 3, 1);
  const float expected = model.train_step(data.inputs, data.targets);
  classifier moved = std::move(model);
  CHECK(moved.train_step(data.inputs, data.targets) == expected);
}

TEST_CASE("a model of values is the model of its type") {
  constexpr auto net = nn::linear<6, 16>{} | nn::relu{} | nn::linear<16, 3>{} | nn::log_softmax{};
  auto model = remat::make_model(net, remat::tensor<float, 6>{}, nn::nll_loss{}, {.seed = 1});
  classifier other{{.seed = 1}};
  const auto data = networks::random_batch(4, 6, 1, 3, 1);
  CHECK(model.train_step(data.inputs, data.targets) == other.train_step(data.inputs, data.targets));
}

}  // namespace network_tests
