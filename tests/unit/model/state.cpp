// SPDX-License-Identifier: MIT
// A module's state changes once in each training step, whatever is recomputed, and never in inference.
#include "same_bits.hpp"

#include <remat/remat.hpp>

#include <catch2/catch.hpp>

#include <array>
#include <cstring>
#include <vector>

namespace state_tests {

/// Counts its forward passes and keeps a running mean of what it sees; in inference it subtracts that mean.
struct observing : remat::module {
  static constexpr std::string_view kind = "observing";
  template <class X>
  static X output(X);
  static constexpr std::array states{remat::parameter("mean", {1}, remat::initial::constant(0.5)),
                                     remat::parameter("passes", {1}, remat::initial::constant(0))};

  static void forward(const remat::forward_pass& pass) {
    const float shift = pass.training() ? 0 : pass.state(0)[0];
    for (std::size_t i = 0; i < pass.output().size(); ++i) pass.output()[i] = pass.input()[i] - shift;
  }
  static void backward_input(const remat::backward_pass& pass) {
    pass.input_gradient().assign([dy = pass.output_gradient()](std::size_t i) { return dy[i]; });
  }
  static void update_state(const remat::update_pass& pass) {
    float sum = 0;
    for (float x : pass.input()) sum += x;
    pass.state(0)[0] = 0.9f * pass.state(0)[0] + 0.1f * sum / static_cast<float>(pass.input().size());
    pass.state(1)[0] += 1;
  }
};

using layer = remat::nn::linear<4, 4>;
using net =
    remat::sequential<layer, observing, layer, remat::named<"second", observing>, layer, remat::nn::log_softmax>;
using model = remat::model<net, remat::tensor<float, 4>, remat::nn::nll_loss>;

TEST_CASE("state is updated by the first forward pass alone") {
  const std::vector<float> x{1, 2, 3, 4, -1, 0, 1, 0.5f};
  const std::vector<std::int32_t> targets{0, 3};
  model plain{{.seed = 1}}, checked{{.seed = 1, .checkpoints = {remat::checkpoint_at("")}}};
  REQUIRE(plain.states().size() == 4);
  CHECK(plain.states()[2].name == "second.mean");
  CHECK(plain.states()[0].values[0] == 0.5f);
  for (int i = 0; i < 3; ++i) CHECK(plain.train_step(x, targets) == checked.train_step(x, targets));
  CHECK(checked.plan().recompute > 0);
  for (std::size_t i = 0; i < 4; ++i) CHECK(same_bits(plain.states()[i].values, checked.states()[i].values));
  CHECK(checked.states()[1].values[0] == 3);
  CHECK(plain.states()[0].values[0] != 0.5f);
  const float before = plain.states()[0].values[0];
  plain.predict(x);
  CHECK(plain.states()[0].values[0] == before);
  CHECK(remat::audit(checked, x, targets).holds());
}

struct one_way : remat::module {
  static constexpr std::string_view kind = "one_way";
  template <class X>
  static X output(X);
  static void forward(const remat::forward_pass& pass) {
    std::memcpy(pass.output().data(), pass.input().data(), pass.input().size_bytes());
  }
};

TEST_CASE("a module that cannot be differentiated is named when a model is built that needs it to be") {
  using before_the_loss = remat::sequential<layer, one_way, layer, remat::nn::log_softmax>;
  CHECK_THROWS_WITH((remat::model<before_the_loss, remat::tensor<float, 4>, remat::nn::nll_loss>{}),
                    Catch::Matchers::Contains("'1' (one_way) has no backward_input"));
  using before = remat::sequential<one_way, layer, remat::nn::log_softmax>;  // nothing before it is trained
  CHECK_NOTHROW((remat::model<before, remat::tensor<float, 4>, remat::nn::nll_loss>{}));
}

}  // namespace state_tests
