// SPDX-License-Identifier: MIT
// Verified checkpoints: a recomputation that gives other bits ends the step, and names the module.
#include "same_bits.hpp"

#include <remat/remat.hpp>

#include <catch2/catch.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace verified_tests {

namespace nn = remat::nn;
using Catch::Contains;
using remat::checkpoint_at, remat::verified;

/// A layer of a user's own that adds a number, which changes when it is told to.
struct restless : remat::module {
  static constexpr std::string_view kind = "restless";
  static inline float added = 0, step = 0;

  template <class X>
  static X output(X);
  static void forward(const remat::forward_pass& pass) {
    added += step;
    const auto x = pass.input();
    const auto y = pass.output();
    for (std::size_t i = 0; i < y.size(); ++i) y[i] = x[i] + added;
  }
  static void backward_input(const remat::backward_pass& pass) {
    pass.input_gradient().assign([dy = pass.output_gradient()](std::size_t i) { return dy[i]; });
  }
};

using block = remat::sequential<nn::linear<32, 32>, remat::named<"own", restless>, nn::tanh>;
using net = remat::sequential<remat::named<"a", block>, remat::named<"b", block>, nn::linear<32, 8>>;
using input = remat::tensor<float, 32>;

constexpr std::size_t batch = 16;

struct data {
  std::vector<float> x = std::vector<float>(batch * 32, 0.25f);
  std::vector<std::int32_t> y = std::vector<std::int32_t>(batch, 3);
};

template <class Policy>
void check(Policy policy, std::string_view text) {
  const data d;
  remat::model<net, input, nn::cross_entropy> m{{.checkpoints = {checkpoint_at("", policy)}}};
  remat::sgd optimizer;
  restless::step = 0;
  CHECK_NOTHROW(m.train_step(d.x, d.y, optimizer));
  const std::vector<std::byte> before(remat::internals::store(m).value_block().begin(),
                                      remat::internals::store(m).value_block().end());
  restless::step = 1;
  if (text.empty())
    CHECK_NOTHROW(m.train_step(d.x, d.y));
  else
    CHECK_THROWS_WITH(m.train_step(d.x, d.y, optimizer), Contains(std::string(text)) && Contains("other bits"));
  restless::step = 0;
  CHECK(same_bits(before, remat::internals::store(m).value_block()));
  CHECK_NOTHROW(m.train_step(d.x, d.y, optimizer));
}

TEST_CASE("a kernel whose second pass differs is caught where a policy is verified, and nowhere else") {
  check(remat::recompute_all{}, "");
  check(verified{remat::recompute_all{}}, "the recomputation of 'a.own' (restless)");
  check(verified{remat::save_only<nn::linear<32, 32>>{}}, "the recomputation of 'b.own' (restless)");
  check(verified{remat::save_all{}}, "");
}

TEST_CASE("in a type, around other checkpoints, of a budget, and on a stage, too") {
  using typed = remat::checkpoint<remat::sequential<remat::checkpoint<block>, block>, verified<remat::recompute_all>>;
  const data d;
  remat::model<remat::sequential<typed, nn::linear<32, 8>>, input, nn::cross_entropy> m;
  CHECK_NOTHROW(m.train_step(d.x, d.y));
  restless::step = 1;
  CHECK_THROWS_AS(m.train_step(d.x, d.y), remat::verification_error);
  restless::step = 0;
  CHECK_NOTHROW(m.train_step(d.x, d.y));
  check(verified{remat::budget{remat::share_of_save_all(0.95)}}, "(restless)");
  static_assert(remat::is_complete_tag<verified<remat::budget<remat::share_of_save_all(0.5)>>>);
  static_assert(remat::is_complete_tag<verified<remat::budget<>>>);
}

TEST_CASE("verified plans are those of the policy, and a step gives the same bits") {
  const data d;
  std::vector<std::vector<float>> gradients;
  std::size_t bytes[2] = {};
  for (const bool is_verified : {false, true}) {
    remat::checkpoints how{checkpoint_at("", remat::recompute_all{})};
    if (is_verified) how = {checkpoint_at("", verified{remat::recompute_all{}})};
    remat::model<net, input, nn::cross_entropy> m{{.seed = 4, .checkpoints = how}};
    m.train_step(d.x, d.y);
    const auto values = m.parameter("a.0.weight").gradient.values();
    gradients.emplace_back(values.begin(), values.end());
    bytes[is_verified] = m.reserved().activations;
    CHECK(audit(m, d.x, d.y).holds());
  }
  CHECK(bytes[0] == bytes[1]);
  CHECK(same_bits(gradients[0], gradients[1]));
}

}  // namespace verified_tests
