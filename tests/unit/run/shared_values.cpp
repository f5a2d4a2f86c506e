// SPDX-License-Identifier: MIT
// Several models on the same parameters: whatever each of them freezes, in however many places it has a shared module,
// and whatever its input's size, it does what it would do alone on a copy of the weights.
#include "same_bits.hpp"

#include <remat/remat.hpp>

#include <catch2/catch.hpp>

#include <cmath>
#include <iostream>
#include <string>
#include <vector>

namespace shared_values_tests {

namespace nn = remat::nn;
using Catch::Matchers::Contains;
using remat::network;

using cell =
    remat::shared<"cell",
                  remat::sequential<nn::conv2d<2, 2, 3, nn::window{.padding = 1}>, nn::batch_norm2d<2>, nn::tanh>>;
template <class... Cells>
using cells =
    remat::sequential<remat::named<"stem", nn::conv2d<1, 2, 3, nn::window{.padding = 1}>>, Cells..., nn::dropout<>,
                      nn::adaptive_avg_pool2d<1>, nn::flatten, remat::named<"head", nn::linear<2, 3>>>;

/// Programs with 1 to 4 places of the cell, on two sizes of images.
template <class Input>
std::vector<remat::program> programs_on() {
  return {remat::lower<cells<cell>, Input, nn::mse_loss>(), remat::lower<cells<cell, cell>, Input, nn::mse_loss>(),
          remat::lower<cells<cell, cell, cell>, Input, nn::mse_loss>(),
          remat::lower<cells<cell, cell, cell, cell>, Input, nn::mse_loss>()};
}

struct setup {
  const remat::program* lowered = nullptr;
  remat::model_options options = {};
};

std::vector<float> numbers(std::size_t size, int seed) {
  std::vector<float> made(size);
  for (std::size_t i = 0; i < size; ++i)
    made[i] = static_cast<float>(std::sin(0.7 * static_cast<double>(i) + static_cast<double>(seed)));
  return made;
}

std::vector<std::byte> copy_of(std::span<const std::byte> bytes) { return {bytes.begin(), bytes.end()}; }

/// What a model shows by name, as bytes.
std::vector<std::byte> weights_of(network& model) {
  std::vector<std::byte> all = copy_of(remat::internals::store(model).value_block());
  const auto states = remat::internals::store(model).state_block();
  all.insert(all.end(), states.begin(), states.end());
  return all;
}
std::vector<std::byte> gradients_of(const network& model) {
  std::vector<std::byte> all;
  for (const remat::parameter_view& p : model.parameters()) {
    const auto bytes = std::as_bytes(p.gradient.values());
    all.insert(all.end(), bytes.begin(), bytes.end());
  }
  return all;
}
void copy_weights(network& from, network& to) {
  std::ranges::copy(remat::internals::store(from).value_block(), remat::internals::store(to).value_block().begin());
  std::ranges::copy(remat::internals::store(from).state_block(), remat::internals::store(to).state_block().begin());
}

float train(network& model, int seed) {
  const std::size_t sample = model.lowered().tensors[0].elements();
  const std::vector<float> x = numbers(2 * sample, seed), y = numbers(2 * 3, seed + 1);
  return model.train_step(x, y);
}

/// A model does something, and one that is alone, on a copy of its weights, does the same.
template <class Step>
bool agree(network& model, network& alone, const Step& step) {
  copy_weights(model, alone);
  const float value = step(model);
  return step(alone) == value && same_bits(weights_of(model), weights_of(alone)) &&
         same_bits(gradients_of(model), gradients_of(alone));
}

bool does_as_alone(const setup& a, const setup& b) {
  network first(*a.lowered, a.options), second(*b.lowered, b.options, first);
  network first_alone(*a.lowered, a.options), second_alone(*b.lowered, b.options);
  remat::sgd optimizer{{.learning_rate = 0.5f}}, alone{{.learning_rate = 0.5f}}, second_alone_optimizer{alone};
  const auto step = [](remat::sgd& rule) {
    return [&rule](network& model) {
      rule.step(model);
      return 0.0f;
    };
  };
  bool holds = first.identity() == second.identity();
  for (int i = 0; i < 2; ++i) {
    const auto trains = [&](network& model) { return train(model, i); };
    holds = holds && agree(first, first_alone, trains);
    const std::vector<std::byte> gradients = gradients_of(first);
    holds = holds && agree(second, second_alone, trains) && same_bits(gradients, gradients_of(first));
    // Each on its own gradients, by one optimizer.
    copy_weights(first, first_alone);
    step(optimizer)(first);
    step(alone)(first_alone);
    holds = holds && same_bits(weights_of(first), weights_of(first_alone));
    copy_weights(second, second_alone);
    step(optimizer)(second);
    step(second_alone_optimizer)(second_alone);
    holds = holds && same_bits(weights_of(second), weights_of(second_alone)) &&
            same_bits(weights_of(first), weights_of(second));
  }
  return holds;
}

using two = remat::sequential<nn::linear<4, 4>, nn::tanh, nn::linear<4, 3>>;
using two_model = remat::model<two, remat::tensor<float, 4>, nn::mse_loss>;

TEST_CASE("each of two models on the same parameters does what it would do alone") {
  std::vector<remat::program> programs = programs_on<remat::image<float, 1, 4, 3>>();
  for (remat::program& larger : programs_on<remat::image<float, 1, 5, 6>>()) programs.push_back(std::move(larger));
  const std::vector<std::vector<std::string>> frozen_sets{{}, {"stem"}, {"1"}, {"head"}, {"stem", "1"}, {""}};
  std::vector<setup> setups;
  for (const remat::program& p : programs)
    for (const auto& frozen : frozen_sets) setups.push_back({&p, {.threads = 1, .frozen = frozen}});
  std::size_t pairs = 0, wrong = 0;
  for (std::size_t i = 0; i < setups.size(); ++i)
    for (std::size_t k = 0; k < setups.size(); ++k) {
      setup a = setups[i], b = setups[k];
      a.options.seed = 1 + (i + k) % 3;
      b.options.seed = 1 + pairs % 2;
      ++pairs;
      if (does_as_alone(a, b)) continue;
      if (++wrong <= 5) UNSCOPED_INFO("setups " << i << " and " << k << " differ from models alone");
    }
  CHECK(wrong == 0);
  std::cout << pairs << " pairs of models (frozen modules, places of a shared one, input sizes) share parameters\n";
}

TEST_CASE("what is frozen in a first phase is trained in a second") {
  two_model head{{.seed = 1, .frozen = {"0"}}};
  two_model all{head, {.seed = 1}};
  const std::vector<float> x = numbers(8, 1), y = numbers(6, 2);
  remat::adamw optimizer;
  for (int i = 0; i < 3; ++i) {
    head.train_step(x, y);
    optimizer.step(head);
  }
  CHECK(head.parameter("0.weight").gradient.empty());
  CHECK(all.parameter("0.weight").gradient.size() == 16);
  CHECK(head.parameter("0.weight").values.data() == all.parameter("0.weight").values.data());

  // For what joins now, it is the optimizer's first step, as in PyTorch.
  two_model other{{.seed = 7}};
  copy_weights(all, other);
  remat::adamw fresh;
  all.train_step(x, y);
  other.train_step(x, y);
  optimizer.step(all);
  fresh.step(other);
  CHECK(std::ranges::equal(all.parameter("0.weight").values, other.parameter("0.weight").values));
  CHECK_FALSE(std::ranges::equal(all.parameter("2.weight").values, other.parameter("2.weight").values));
  CHECK(optimizer.steps() == 4);
  CHECK(optimizer.bytes() == 2 * sizeof(float) * (16 + 4 + 12 + 3));
  CHECK(all.memory(optimizer).optimizer == optimizer.bytes());
  CHECK(head.memory(optimizer, fresh).optimizer == 2 * optimizer.bytes());
  CHECK(all.memory().optimizer == 0);
}

TEST_CASE("a shared module may have more places in a second model, and is what four layers would be") {
  using dense = remat::shared<"cell", remat::sequential<nn::linear<4, 4>, nn::tanh>>;
  using plain = remat::sequential<nn::linear<4, 4>, nn::tanh>;
  using input = remat::tensor<float, 4>;
  remat::model<remat::sequential<dense, dense>, input> small{{.seed = 1}};
  remat::model<remat::sequential<dense, dense, dense, dense>, input> large{small};
  remat::model<remat::sequential<plain, plain, plain, plain>, input> unshared{{.seed = 2}};
  for (std::size_t i = 0; i < 8; ++i)
    std::ranges::copy(small.parameters()[i % 2].values, unshared.parameters()[i].values.begin());
  const std::vector<float> x = numbers(12, 1), dy = numbers(12, 2);
  CHECK(std::ranges::equal(large.predict(x), unshared.predict(x)));
  large.forward(x);
  large.backward(dy);
  unshared.forward(x);
  unshared.backward(dy);
  for (std::size_t k = 0; k < 2; ++k)
    for (std::size_t i = 0; i < large.parameters()[k].gradient.size(); ++i) {
      float sum = unshared.parameters()[k].gradient[i];
      for (std::size_t place = 1; place < 4; ++place) sum += unshared.parameters()[2 * place + k].gradient[i];
      CHECK(large.parameters()[k].gradient[i] == sum);
    }
}

TEST_CASE("gradients belong to the model that made them") {
  two_model first{{.seed = 1}}, second{first, {}};
  const std::vector<float> x = numbers(8, 1), y = numbers(6, 2);
  first.train_step(x, y);
  remat::sgd optimizer;
  CHECK_THROWS_WITH(optimizer.step(second), Contains("this model has no gradients yet"));
  CHECK_THROWS_WITH(remat::clip_gradients(second, 1), Contains("this model has no gradients yet"));
  CHECK_NOTHROW(optimizer.step(first));
  second.train_step(x, y);
  const std::vector<std::byte> gradients = gradients_of(first);
  CHECK(remat::clip_gradients(second, 1e-3) > 1e-3);
  CHECK(same_bits(gradients_of(first), gradients));
  CHECK(remat::audit(second, x, y).holds());
  CHECK(remat::audit(first, x, y).holds());
}

TEST_CASE("parameters live as long as a model that uses them") {
  const std::vector<float> x = numbers(8, 1), y = numbers(6, 2);
  auto first = std::make_unique<two_model>(remat::model_options{.seed = 1});
  two_model second{*first, {}};
  const auto predicted = first->predict(x);
  const std::vector<float> expected(predicted.begin(), predicted.end());
  two_model moved = std::move(*first);
  first.reset();
  CHECK(std::ranges::equal(second.predict(x), expected));
  CHECK(std::ranges::equal(moved.predict(x), expected));
  second.train_step(x, y);
  remat::sgd{}.step(second);
  CHECK_FALSE(std::ranges::equal(moved.predict(x), expected));
}

TEST_CASE("models whose parameters differ share none, and the message says which") {
  using input = remat::tensor<float, 4>;
  two_model first{{.seed = 1}};
  CHECK_THROWS_WITH((remat::model<remat::sequential<two, nn::linear<3, 2>>, input>{first}),
                    Contains("share parameters must have the same ones, and this one has the parameter '0.0.weight'"));
  CHECK_THROWS_WITH((remat::model<remat::sequential<nn::linear<4, 4>>, input>{first}),
                    Contains("the other has the parameter '2.weight', which this one does not have"));
  CHECK_THROWS_WITH((remat::model<remat::sequential<nn::linear<4, 4>, nn::tanh, nn::linear<4, 2>>, input>{first}),
                    Contains("'2.weight' is (2, 4) here and (3, 4) in the other"));
  using image = remat::image<float, 2, 3, 3>;
  remat::model<remat::sequential<nn::batch_norm2d<2>>, image> normed{{.seed = 1}};
  CHECK_THROWS_WITH((remat::model<remat::sequential<remat::named<"n", nn::batch_norm2d<2>>>, image>{normed}),
                    Contains("this one has the parameter 'n.weight'"));
}

}  // namespace shared_values_tests
