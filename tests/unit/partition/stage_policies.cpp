// SPDX-License-Identifier: MIT
// What a stage's policy looks for is in the model; it need not be on the stage.
#include <remat/core/policies.hpp>
#include <remat/model/lower.hpp>
#include <remat/nn/linear.hpp>
#include <remat/nn/tanh.hpp>
#include <remat/partition/stage_policies.hpp>
#include <remat/plan/budget_choices.hpp>

#include <catch2/catch.hpp>

namespace stage_policies_tests {

namespace nn = remat::nn;
using Catch::Matchers::Contains;
using remat::checkpoint_on_stage, remat::kind;

using net = remat::sequential<remat::named<"first", nn::linear<4, 4>>, nn::linear<4, 4>, remat::on_stage<1, nn::tanh>,
                              nn::linear<4, 4>>;

remat::program with(const checkpoint_on_stage& policy) {
  remat::program p = remat::lower<net, remat::tensor<float, 4>>();
  remat::set_stage_policies(p, {policy});
  return p;
}

TEST_CASE("a stage's policy may be about what is on other stages") {
  for (const int stage : {0, 1}) {
    CHECK(with({stage, remat::save_named<"first">{}}).stage_policies.size() == 1);
    CHECK(with({stage, remat::save_only<kind<"tanh">>{}}).stage_policies.size() == 1);
  }
}

TEST_CASE("a stage's policy about what is on no stage is refused, with the nearest word") {
  CHECK_THROWS_WITH(with({1, remat::save_named<"frist">{}}),
                    Contains("'save_named' is about the name 'frist', and the model has no module of it; there are "
                             "'first'; the nearest is 'first'"));
  CHECK_THROWS_WITH(with({0, remat::recompute_only<kind<"tahn">>{}}),
                    Contains("the kind 'tahn'") && Contains("there are 'linear', 'tanh'; the nearest is 'tanh'"));
}

TEST_CASE("a stage's budget that no checkpoint could take is refused") {
  remat::program p = remat::lower<remat::sequential<remat::checkpoint<nn::linear<4, 4>>, remat::on_stage<1, nn::tanh>>,
                                  remat::tensor<float, 4>>();
  remat::set_stage_policies(p, {{0, remat::budget{1000}}, {1, remat::save_all{}}});
  CHECK(remat::has_budget(p));
  CHECK_THROWS_WITH(remat::set_stage_policies(p, {{1, remat::budget{1000}}}),
                    Contains("stage 1 is given a budget, and has no checkpoint that could take it"));
}

}  // namespace stage_policies_tests
