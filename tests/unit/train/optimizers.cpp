// SPDX-License-Identifier: MIT
// Optimizers against their formulas in double precision and against PyTorch; groups of parameters.
#include "run/random_batch.hpp"
#include "same_bits.hpp"

#include <catch2/catch.hpp>

#include <array>
#include <cmath>
#include <functional>
#include <limits>
#include <vector>

namespace optimizers_tests {

namespace nn = remat::nn;
using small = remat::model<remat::sequential<nn::linear<6, 5>, nn::log_softmax>, remat::tensor<float, 6>, nn::nll_loss>;

/// Runs `steps` of an optimizer on given gradients, and the same in double precision with `update(w, g, step)`.
template <class Optimizer, class Update>
void compare(Optimizer optimizer, int steps, Update update) {
  small model{{.seed = 1}};
  const auto& p = model.parameter("0.weight");
  std::vector<double> expected(p.values.begin(), p.values.end());
  for (int t = 1; t <= steps; ++t) {
    for (std::size_t i = 0; i < p.values.size(); ++i)
      p.gradient[i] = static_cast<float>(std::sin(static_cast<double>(i) * 0.7 + t));
    for (float& g : model.parameter("0.bias").gradient) g = 0;
    model.accept_gradients();
    optimizer.step(model);
    for (std::size_t i = 0; i < expected.size(); ++i) update(i, expected[i], static_cast<double>(p.gradient[i]), t);
  }
  for (std::size_t i = 0; i < expected.size(); ++i)
    CHECK(static_cast<double>(p.values[i]) == Approx(expected[i]).epsilon(2e-6).margin(1e-7));
}

using Catch::Matchers::Contains;

/// Weights, then gradients of step t, that PyTorch was given too.
void set_values(small& model) {
  const auto &w = model.parameter("0.weight"), &b = model.parameter("0.bias");
  for (std::size_t i = 0; i < w.values.size(); ++i)
    w.values[i] = static_cast<float>(std::cos(0.3 * static_cast<double>(i) + 1));
  for (std::size_t i = 0; i < b.values.size(); ++i)
    b.values[i] = static_cast<float>(std::cos(0.5 * static_cast<double>(i)));
}
void set_gradients(small& model, int t) {
  const auto &w = model.parameter("0.weight"), &b = model.parameter("0.bias");
  for (std::size_t i = 0; i < w.values.size(); ++i)
    w.gradient[i] = static_cast<float>(std::sin(0.7 * static_cast<double>(i) + t));
  for (std::size_t i = 0; i < b.values.size(); ++i)
    b.gradient[i] = static_cast<float>(std::sin(0.9 * static_cast<double>(i) - t));
  model.accept_gradients();
}

/// Weights 0, 1, 13, 29 and biases 0, 2, 4, as PyTorch 1.13 has them in float64 after the same steps.
using seven = std::array<double, 7>;
void check_values(const small& model, const seven& expected) {
  const auto &w = model.parameter("0.weight"), &b = model.parameter("0.bias");
  const seven found{static_cast<double>(w.values[0]),  static_cast<double>(w.values[1]),
                    static_cast<double>(w.values[13]), static_cast<double>(w.values[29]),
                    static_cast<double>(b.values[0]),  static_cast<double>(b.values[2]),
                    static_cast<double>(b.values[4])};
  for (std::size_t i = 0; i < found.size(); ++i) CHECK(found[i] == Approx(expected[i]).epsilon(4e-6).margin(4e-7));
}

template <class Optimizer>
void compare_with_pytorch(Optimizer optimizer, const seven& expected) {
  small model{{.seed = 1}};
  set_values(model);
  for (int t = 1; t <= 6; ++t) {
    set_gradients(model, t);
    optimizer.step(model);
  }
  check_values(model, expected);
}

/// A parameter without a gradient, as a frozen one has none.
void freeze(const remat::parameter_view& p) { const_cast<remat::parameter_view&>(p).gradient = {}; }

TEST_CASE("sgd follows its formula") {
  compare(remat::sgd{{.learning_rate = 0.1f}}, 3, [](std::size_t, double& w, double g, int) { w -= 0.1 * g; });
}

TEST_CASE("sgd with momentum, dampening and weight decay follows its formula") {
  for (const bool nesterov : {false, true}) {
    const double dampening = nesterov ? 0 : 0.25;
    std::vector<double> m(30);
    compare(remat::sgd{{.learning_rate = 0.1f,
                        .momentum = 0.9f,
                        .dampening = static_cast<float>(dampening),
                        .weight_decay = 0.01f,
                        .nesterov = nesterov}},
            5, [&](std::size_t i, double& w, double g, int t) {
              g += 0.01 * w;
              m[i] = t == 1 ? g : 0.9 * m[i] + (1 - dampening) * g;
              w -= 0.1 * (nesterov ? g + 0.9 * m[i] : m[i]);
            });
  }
}

TEST_CASE("adam follows its formula") {
  std::vector<double> m(30), v(30);
  compare(remat::adam{{.learning_rate = 0.01f, .weight_decay = 0.01f}}, 6,
          [&](std::size_t i, double& w, double g, int t) {
            g += 0.01 * w;
            m[i] = 0.9 * m[i] + 0.1 * g;
            v[i] = 0.999 * v[i] + 0.001 * g * g;
            w -= 0.01 / (1 - std::pow(0.9, t)) * m[i] / (std::sqrt(v[i]) / std::sqrt(1 - std::pow(0.999, t)) + 1e-8);
          });
}

TEST_CASE("adamw and groups give PyTorch's numbers") {
  const remat::adamw adamw{{.learning_rate = 0.05f, .weight_decay = 0.1f}};
  compare_with_pytorch(adamw, {0.38391148451871415, 0.17797517133829754, 0.34183571435892396, -0.9273832200310523,
                               1.1107555291937947, 0.5157849099647821, -0.5712921072956023});
  compare_with_pytorch(remat::adamw(adamw).group(remat::is_bias_or_norm, {.weight_decay = 0}),
                       {0.38391148451871415, 0.17797517133829754, 0.34183571435892396, -0.9273832200310523,
                        1.1433611596392266, 0.5306859384285029, -0.5868362923229097});
  compare_with_pytorch(remat::adam{{.learning_rate = 0.05f, .weight_decay = 0.1f}}.group(
                           "0.bias", {.learning_rate = 0.2f, .weight_decay = 0}),
                       {0.3877625958763467, 0.17834779953103086, 0.3447745627560484, -0.9239664484279716,
                        1.5734446385569063, 0.5018368361095924, -1.0989046596502114});
  compare_with_pytorch(
      remat::sgd{{.learning_rate = 0.05f, .momentum = 0.9f, .dampening = 0.25f, .weight_decay = 0.1f}}.group(
          "*.bias", {.momentum = 0, .weight_decay = 0}),
      {0.30858226467075206, 0.14937878476674377, 0.3800941795781679, -0.8415064119071002, 0.9948373075761727,
       0.554897246560199, -0.41761614631762956});
  compare_with_pytorch(
      remat::sgd{{.learning_rate = 0.05f, .momentum = 0.9f, .weight_decay = 0.1f, .nesterov = true}}.group(
          [](const remat::parameter_view& p) { return p.name == "0.bias"; }, {.weight_decay = 0}),
      {0.3238540099521162, 0.20708776878108617, 0.3610504999065464, -0.7402397905526293, 1.1748128838115202,
       0.6388742340093299, -0.6357512174618923});
}

TEST_CASE("a schedule multiplies the learning rate of every group, as PyTorch's do") {
  namespace rate = remat::learning_rate;
  const rate::sequence schedule{rate::linear{.steps = 4, .from = 0.25}, rate::cosine{.steps = 6}};
  remat::adamw optimizer{{.learning_rate = 0.05f, .weight_decay = 0.1f}};
  optimizer.group("0.bias", {.learning_rate = 0.2f});
  small model{{.seed = 1}};
  set_values(model);
  for (int t = 1; t <= 8; ++t) {
    set_gradients(model, t);
    optimizer.step(model, schedule(optimizer.steps()));
  }
  check_values(model, {0.4596353633187184, 0.23202525260620632, 0.2613142401492423, -0.9113314948615118,
                       1.1480612583755732, 0.551455056388551, -0.6896313959816341});
}

TEST_CASE("a parameter belongs to the last group that matches it") {
  small model{{.seed = 1}};
  set_values(model);
  set_gradients(model, 1);
  remat::sgd optimizer{{.learning_rate = 1}};
  optimizer.group("", {.learning_rate = 0.5f}).group("0.bias", {.learning_rate = 0.25f});
  const float w = model.parameter("0.weight").values[3], b = model.parameter("0.bias").values[3];
  optimizer.step(model);
  CHECK(model.parameter("0.weight").values[3] == w - 0.5f * model.parameter("0.weight").gradient[3]);
  CHECK(model.parameter("0.bias").values[3] == b - 0.25f * model.parameter("0.bias").gradient[3]);
  optimizer.settings(1).learning_rate = 0;
  optimizer.group("0.weight", {.learning_rate = 0});  // groups may come later
  CHECK_THROWS_WITH(optimizer.step(model),
                    Contains("sgd: the pattern of group 0, '', matches only parameters that later"));
  CHECK_THROWS_WITH(optimizer.settings(3), Contains("there is no group 3; it has 3"));
}

TEST_CASE("what an optimizer cannot take is refused before anything changes") {
  small model{{.seed = 1}};
  set_values(model);
  set_gradients(model, 1);
  const auto values = remat::internals::store(model).value_block();
  const std::vector<std::byte> before(values.begin(), values.end());

  remat::adamw unknown;
  unknown.group(remat::is_bias_or_norm, {.weight_decay = 0}).group("head.*", {});
  CHECK_THROWS_WITH(unknown.step(model), Contains("adamw: the pattern of group 1, 'head.*', matches no parameter; this "
                                                  "model has 0.weight, 0.bias"));
  remat::adam optimizer;
  CHECK_THROWS_WITH(optimizer.group("0", {.learning_rate = -1}), Contains("adam, group 0: learning rate, epsilon"));
  optimizer.settings().beta2 = 1;
  CHECK_THROWS_WITH(optimizer.step(model), Contains("adam: betas are at least 0 and below 1"));
  optimizer.settings() = {.learning_rate = std::numeric_limits<float>::infinity()};
  CHECK_THROWS_WITH(optimizer.step(model), Contains("are finite numbers of at least 0"));
  optimizer.settings() = {};
  optimizer.group("0.bias", {}).settings(0).epsilon = std::numeric_limits<float>::quiet_NaN();
  CHECK_THROWS_WITH(optimizer.step(model), Contains("adam, group 0: "));
  optimizer.settings(0) = {};
  for (const double factor : {-0.5, std::nan(""), std::numeric_limits<double>::infinity()})
    CHECK_THROWS_WITH(optimizer.step(model, factor), Contains("a finite number of at least 0 is accepted"));
  CHECK(optimizer.steps() == 0);
  CHECK(same_bits(before, values));
  optimizer.step(model);
  CHECK(optimizer.steps() == 1);
  CHECK(!same_bits(before, values));
}

TEST_CASE("momentum that begins later begins with the gradient") {
  small late{{.seed = 1}}, plain{{.seed = 1}};
  remat::sgd optimizer{{.learning_rate = 0.1f, .dampening = 0.5f}}, without{{.learning_rate = 0.1f}};
  for (int t = 1; t <= 2; ++t) {
    set_gradients(late, t);
    set_gradients(plain, t);
    if (t == 2) optimizer.settings().momentum = 0.9f;
    optimizer.step(late);
    without.step(plain);
    CHECK(std::ranges::equal(late.parameters()[0].values, plain.parameters()[0].values));
  }
}

TEST_CASE("optimizers skip parameters without a gradient") {
  const auto check = [](auto optimizer) {
    small model{{.seed = 1}};
    set_values(model);
    set_gradients(model, 1);
    freeze(model.parameter("0.weight"));
    optimizer.group("0.weight", {.learning_rate = 1});
    const auto &w = model.parameter("0.weight").values, &b = model.parameter("0.bias").values;
    const std::vector<float> weights(w.begin(), w.end()), biases(b.begin(), b.end());
    for (int i = 0; i < 2; ++i) optimizer.step(model);
    CHECK(std::ranges::equal(weights, w));
    CHECK(!std::ranges::equal(biases, b));
  };
  check(remat::sgd{{.momentum = 0.9f, .weight_decay = 0.1f}});
  check(remat::adam{});
  check(remat::adamw{});
}

TEST_CASE("an optimizer serves one set of parameters") {
  small one{{.seed = 1}}, other{{.seed = 2}}, same{one, {}};
  remat::adam optimizer;
  for (small* each : {&one, &other, &same}) set_gradients(*each, 1);
  optimizer.step(one);
  CHECK_THROWS_WITH(optimizer.step(other), Contains("make one for each other model"));
  CHECK_NOTHROW(optimizer.step(same));
  CHECK_THROWS_WITH(remat::sgd({.nesterov = true}), Contains("nesterov needs a momentum"));
}

TEST_CASE("an optimizer steps on the gradients of a step that succeeded, and on no others") {
  small model{{.seed = 1, .microbatches = 2}};
  const std::vector<float> x(24, 0.5f), odd(18, 0.5f);
  const std::vector<std::int32_t> y{0, 1, 2, 3}, few{0, 1, 2}, wrong{0, 1, 2, 9};
  const auto is_refused = [&](const char* because) {
    const auto values = remat::internals::store(model).value_block();
    const std::vector<std::byte> before(values.begin(), values.end());
    remat::adamw optimizer{{.weight_decay = 0.5f}};
    CHECK_THROWS_WITH(optimizer.step(model), Contains(because));
    CHECK_THROWS_WITH(remat::clip_gradients(model, 1), Contains(because));
    CHECK(optimizer.steps() == 0);
    CHECK(optimizer.bytes() == 0);
    CHECK(same_bits(before, values));
  };
  is_refused("this model has no gradients yet; make them with train_step");
  model.predict(x);
  is_refused("this model has no gradients yet");
  // Whatever a step is refused for, before anything runs or within it, the gradients before it are not taken for its.
  const std::vector<std::function<void()>> refusals{
      [&] { model.train_step(x, few); }, [&] { model.train_step(x, wrong); }, [&] { model.train_step(x); },
      [&] { model.train_step(y, y); },   [&] { model.train_step(x, x); },     [&] { model.train_on({}); },
      [&] { model.backward(x); },        [&] { model.train_step(odd, y); }};
  for (const auto& refused : refusals) {
    model.train_step(x, y);
    CHECK_THROWS_AS(refused(), remat::error);
    is_refused("the last step was refused and has left no gradients");
  }
  // What does not train leaves them as they are, and they may be used again.
  model.train_step(x, y);
  model.predict(x);
  CHECK_THROWS_AS(model.predict(y), remat::error);
  CHECK_THROWS_AS(model.forward(x), remat::error);
  model.set_threads(1);
  remat::sgd optimizer;
  optimizer.step(model);
  optimizer.step(model);
  CHECK(optimizer.steps() == 2);
  // A loss that is no number is a step's result like any other.
  model.train_step(std::vector<float>(24, std::numeric_limits<float>::quiet_NaN()), y);
  CHECK_NOTHROW(optimizer.step(model));
}

}  // namespace optimizers_tests
