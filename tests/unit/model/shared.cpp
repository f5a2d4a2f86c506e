// SPDX-License-Identifier: MIT
// Shared and frozen parameters.
#include "same_bits.hpp"

#include <remat/remat.hpp>

#include <catch2/catch.hpp>

#include <vector>

namespace shared_tests {

namespace nn = remat::nn;

using layer = nn::linear<5, 5>;
using input = remat::tensor<float, 5>;
const std::vector<float> x{1, -2, 3, 0.5f, 1, 2, 0.25f, -1, 1, 0};
const std::vector<float> dy{1, 1, -1, 2, 0.5f, 1, -3, 1, 0, 1};

template <class Net>
struct trained {
  explicit trained(const remat::model_options& options = {.seed = 1}) : model(options) {
    model.forward(x);
    model.backward(dy);
  }
  remat::model<Net, input> model;
};

TEST_CASE("a shared parameter is one, and its gradient the sum over its places") {
  using shared = remat::shared<"w", layer>;
  using three = remat::sequential<shared, nn::relu, shared, nn::relu, remat::named<"last", shared>>;
  trained<three> all;
  REQUIRE(all.model.parameters().size() == 2);
  CHECK(all.model.parameters()[0].name == "0.weight");
  // The same values in three layers of their own: the gradients of the three add up.
  remat::model<remat::sequential<layer, nn::relu, layer, nn::relu, layer>, input> apart{{.seed = 1}};
  for (std::size_t i = 0; i < 6; ++i)
    std::ranges::copy(all.model.parameters()[i % 2].values, apart.parameters()[i].values.begin());
  apart.forward(x);
  apart.backward(dy);
  for (std::size_t i = 0; i < 2; ++i)
    for (std::size_t k = 0; k < all.model.parameters()[i].gradient.size(); ++k)
      CHECK(all.model.parameters()[i].gradient[k] == apart.parameters()[i].gradient[k] +
                                                         apart.parameters()[i + 2].gradient[k] +
                                                         apart.parameters()[i + 4].gradient[k]);
  CHECK(remat::check_gradients<three, input>().holds());
}

TEST_CASE("a loss may share its parameters, and wear a name") {
  using words = remat::shared<"words", nn::embedding<7, 4>>;
  using body = remat::sequential<words, nn::linear<4, 4>, nn::tanh>;
  using logits = remat::shared<"words", nn::linear<4, 7, nn::bias::without>>;
  using fused = remat::shared<"words", nn::linear_cross_entropy<4, 7, nn::bias::without>>;
  using tokens = remat::tensor<std::int32_t, 3>;
  const std::vector<std::int32_t> read{1, 6, 2, 0, 3, 3}, next{6, 2, 5, 3, 3, 1};
  remat::model<body, tokens, fused> one{{.seed = 4}};
  remat::model<remat::sequential<body, logits>, tokens, remat::named<"entropy", nn::cross_entropy>> other{{.seed = 4}};
  REQUIRE(one.parameters().size() == 3);
  REQUIRE(other.parameters().size() == 3);
  for (std::size_t i = 0; i < 3; ++i)
    std::ranges::copy(one.parameters()[i].values, other.parameters()[i].values.begin());
  CHECK(one.train_step(read, next) == Approx(other.train_step(read, next)).epsilon(1e-6));
  for (std::size_t i = 0; i < 3; ++i)
    for (std::size_t k = 0; k < one.parameters()[i].gradient.size(); ++k)
      CHECK(one.parameters()[i].gradient[k] == Approx(other.parameters()[i].gradient[k]).margin(1e-6));
}

TEST_CASE("what is shared agrees in its place and its name") {
  using block = remat::sequential<remat::named<"a", layer>, nn::relu, remat::named<"b", layer>>;
  using net = remat::sequential<remat::shared<"block", block>, remat::shared<"block", block>>;
  const remat::program p = remat::lower<net, input>();
  REQUIRE(p.parameters.size() == 8);
  for (int i = 0; i < 4; ++i) CHECK(p.parameters[i + 4].owner == i);
  // A layer without a bias shares the weight alone.
  using unlike = remat::sequential<remat::shared<"w", layer>, remat::shared<"w", nn::linear<5, 5, nn::bias::without>>>;
  const remat::program q = remat::lower<unlike, input>();
  REQUIRE(q.parameters.size() == 3);
  CHECK(q.parameters[2].owner == 0);
  using wrong = remat::sequential<remat::shared<"w", layer>, remat::shared<"w", nn::linear<5, 4>>>;
  CHECK_THROWS_WITH((remat::model<wrong, input>{}), Catch::Matchers::Contains("'weight' shared as 'w'") &&
                                                        Catch::Matchers::Contains("another shape in '1'"));
}

TEST_CASE("a frozen parameter has no gradient, no code for one, and keeps nothing for it") {
  using net = remat::sequential<remat::frozen<layer>, nn::relu, layer, nn::relu, remat::frozen<layer>>;
  using plain = remat::sequential<layer, nn::relu, layer, nn::relu, layer>;
  const remat::program p = remat::lower<net, input>();
  CHECK(p.operations[0].kernels->backward_parameters == nullptr);
  CHECK(p.operations[2].kernels->backward_parameters != nullptr);
  trained<net> typed;
  trained<plain> whole, by_path({.seed = 1, .frozen = {"0", "4"}});
  REQUIRE(typed.model.parameters().size() == 6);
  for (std::size_t i = 0; i < 6; ++i) {
    const auto &a = typed.model.parameters()[i].gradient, &b = by_path.model.parameters()[i].gradient,
               &c = whole.model.parameters()[i].gradient;
    CHECK(a.empty() == (i / 2 != 1));
    CHECK(b.size() == a.size());
    if (a.empty()) continue;
    CHECK(same_bits(a, c));
    CHECK(same_bits(b, c));
  }
  CHECK(typed.model.plan().kept_bytes < whole.model.plan().kept_bytes);
  CHECK(typed.model.memory().gradients < whole.model.memory().gradients);
  CHECK_THROWS_WITH((remat::model<plain, input>{{.frozen = {"5"}}}),
                    Catch::Matchers::Contains("no module has the path '5'"));
}

TEST_CASE("what shares a frozen parameter is frozen") {
  using net = remat::sequential<remat::shared<"w", layer>, layer, remat::shared<"w", layer>>;
  trained<net> t({.seed = 1, .frozen = {"2"}});
  CHECK(t.model.parameter("0.weight").gradient.empty());
  CHECK_FALSE(t.model.parameter("1.weight").gradient.empty());
}

}  // namespace shared_tests
