// SPDX-License-Identifier: MIT
#include <remat/model/lower.hpp>
#include <remat/nn/conv2d.hpp>
#include <remat/nn/flatten.hpp>
#include <remat/nn/linear.hpp>
#include <remat/nn/log_softmax.hpp>
#include <remat/nn/max_pool2d.hpp>
#include <remat/nn/nll_loss.hpp>
#include <remat/nn/relu.hpp>

#include <catch2/catch.hpp>

#include <string>
#include <vector>

namespace lower_tests {

namespace nn = remat::nn;

struct classifier : remat::module {
  static constexpr std::string_view kind = "classifier";
  using body = remat::sequential<nn::linear<8, 8>, nn::relu, remat::named<"last", nn::linear<8, 4>>>;
};
using net = remat::sequential<remat::named<"features", remat::sequential<nn::linear<6, 8>, nn::relu>>,
                              remat::on_stage<1, remat::named<"head", classifier>>, nn::log_softmax>;

std::vector<std::string> paths(const remat::program& p) {
  std::vector<std::string> found;
  for (int n = 0; n < p.nodes.count(); ++n) found.push_back(path_of(p, n));
  return found;
}

TEST_CASE("a model lowers to operations, nodes and parameters with PyTorch's paths") {
  const remat::program p = remat::lower<net, remat::tensor<float, 6>, nn::nll_loss>();
  CHECK(paths(p) == std::vector<std::string>{"", "features", "features.0", "features.1", "head", "head.0", "head.1",
                                             "head.last", "2", "loss"});
  REQUIRE(p.operations.size() == 7);
  std::vector<std::string> parameters;
  for (const auto& slot : p.parameters) parameters.push_back(remat::parameter_path(p, slot));
  CHECK(parameters == std::vector<std::string>{"features.0.weight", "features.0.bias", "head.0.weight", "head.0.bias",
                                               "head.last.weight", "head.last.bias"});
  CHECK(p.inputs == 2);
  CHECK(p.targets == 1);
  CHECK(p.tensors[p.outputs[0]].elements() == 4);
  CHECK_FALSE(p.tensors[p.loss].per_sample);
  CHECK(p.operations[0].flops == 2.0 * 6 * 8);
  for (int i = 0; i < p.operations.count(); ++i) {
    CHECK(p.operations[i].occurrence == i);
    for (int t : p.operations[i].outputs) CHECK(p.producers[t] == i);
  }
}

TEST_CASE("a module without a number is on the stage of the module before it") {
  const remat::program p = remat::lower<net, remat::tensor<float, 6>>();
  std::vector<int> stages;
  for (const auto& o : p.operations) stages.push_back(o.stage);
  CHECK(stages == std::vector<int>{0, 0, 1, 1, 1, 1});
}

TEST_CASE("the innermost stage number wins") {
  using inner = remat::sequential<nn::linear<4, 4>, remat::on_stage<2, nn::linear<4, 4>>>;
  const remat::program p =
      remat::lower<remat::sequential<nn::linear<4, 4>, remat::on_stage<1, inner>, nn::linear<4, 4>>,
                   remat::tensor<float, 4>>();
  std::vector<int> stages;
  for (const auto& o : p.operations) stages.push_back(o.stage);
  CHECK(stages == std::vector<int>{0, 1, 2, 2});
}

TEST_CASE("tags lower to the values that they mean") {
  using seq = remat::sequential<nn::linear<4, 4>, nn::relu>;
  const remat::program p = remat::lower<
      remat::sequential<
          remat::checkpoint<remat::named<"a", nn::linear<4, 4>>>, remat::named<"b", remat::checkpoint_sequential<seq>>,
          remat::named<"c", remat::checkpoint_sequential<seq, remat::strategy::group<2>, remat::save_all>>>,
      remat::tensor<float, 4>>();
  const auto at = [&](const char* path) { return p.nodes[find_node(p, path)].checkpoints[0]; };
  CHECK(at("a").policy.name() == "recompute_all");
  CHECK(at("a").strategy.children() == remat::strategy::unlimited);
  CHECK(at("b").strategy.children() == 1);
  CHECK(at("c").strategy.children() == 2);
  CHECK(at("c").policy.name() == "save_all");
  CHECK(p.nodes[0].checkpoints.empty());
}

TEST_CASE("modules of one kind share their kernels") {
  const remat::program p =
      remat::lower<remat::sequential<nn::linear<8, 9>, nn::linear<9, 7>>, remat::tensor<float, 8>>();
  CHECK(p.operations[0].kernels == p.operations[1].kernels);
}

}  // namespace lower_tests
