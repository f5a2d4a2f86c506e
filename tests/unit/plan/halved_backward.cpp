// SPDX-License-Identifier: MIT
// A backward pass in two sections: where additions share gradients, those that the gradients of parameters read stay as
// they are until these are computed.
#include <remat/plan/plan.hpp>

#include <remat/remat.hpp>

#include <catch2/catch.hpp>

#include <vector>

namespace halved_backward_tests {

namespace nn = remat::nn;
using inner = remat::sequential<nn::linear<8, 8>, nn::relu, nn::linear<8, 8>>;
using net = remat::sequential<nn::linear<8, 8>, remat::residual<inner>, remat::checkpoint<remat::residual<inner>>,
                              remat::residual<nn::linear<8, 8>>, nn::linear<8, 4>>;
using input = remat::tensor<float, 8>;

std::vector<std::byte> gradients_of(const remat::program& p, const remat::plan& made) {
  remat::parameter_store store(p, 1);
  remat::executor e(p, made, store);
  remat::arena arena;
  arena.reserve(e.needed());
  arena.bind(e);
  std::vector<float> x(3 * 8), y(3 * 4), loss(1);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i % 7) - 3;
  for (std::size_t i = 0; i < y.size(); ++i) y[i] = static_cast<float>(i % 5) - 2;
  const remat::tensor_source sources[] = {remat::source_of(x), remat::source_of(y)};
  const std::span<std::byte> result = std::as_writable_bytes(std::span(loss));
  for (int section = 0; section < made.steps.sections.count(); ++section)
    e.run({.seed = 1}, sources, std::span(&result, 1), section);
  const auto found = store.gradient_block();
  return {found.begin(), found.end()};
}

TEST_CASE("the gradients of parameters are the same bits in a section of their own") {
  const remat::program p = remat::fuse(remat::lower<net, input, nn::mse_loss>());
  remat::slice halved = remat::whole(p);
  halved.halves_backward = true;
  const remat::plan joint = remat::plan_training(p, 3), apart = remat::plan_training(p, 3, halved);
  REQUIRE(joint.steps.sections.count() == 2);
  REQUIRE(apart.steps.sections.count() == 3);
  CHECK(apart.steps.sections[remat::parameters_section].name == "backward of parameters");
  for (int i = 0; i < apart.steps.actions.count(); ++i)
    CHECK((apart.steps.actions[i].kind == remat::action_kind::backward_parameters) ==
          (apart.steps.section_of(i) == remat::parameters_section));
  CHECK(remat::count(joint, remat::action_kind::recompute) > 0);
  CHECK(remat::count(apart, remat::action_kind::recompute) == remat::count(joint, remat::action_kind::recompute));
  CHECK(gradients_of(p, joint) == gradients_of(p, apart));
}

}  // namespace halved_backward_tests
