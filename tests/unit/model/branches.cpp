// SPDX-License-Identifier: MIT
// Branches, residuals, tags, joins and selections: what they lower to, and what they compute.
#include <remat/remat.hpp>

#include <catch2/catch.hpp>

#include <array>
#include <string>
#include <vector>

namespace branches_tests {

namespace nn = remat::nn;

using remat::action_kind, remat::identity, remat::named, remat::sequential, remat::tensor;
using square = nn::linear<6, 6>;

std::vector<std::string> parameters(const remat::program& p) {
  std::vector<std::string> found;
  for (const auto& slot : p.parameters) found.push_back(remat::parameter_path(p, slot));
  return found;
}

/// The gradients of a model without a loss, for given inputs and output gradients of ones.
template <class Net, class... Inputs>
remat::gradient_report check() {
  return remat::check_gradients<Net, Inputs...>();
}

TEST_CASE("a residual has the paths of PyTorch's blocks") {
  using block = remat::residual<sequential<named<"conv1", square>, nn::relu, named<"conv2", square>>,
                                named<"downsample", sequential<square>>, sequential<nn::add, nn::relu>>;
  const remat::program p = remat::lower<sequential<block>, tensor<float, 6>>();
  CHECK(parameters(p) == std::vector<std::string>{"0.conv1.weight", "0.conv1.bias", "0.conv2.weight", "0.conv2.bias",
                                                  "0.downsample.0.weight", "0.downsample.0.bias"});
  REQUIRE(p.operations.size() == 6);
  CHECK(p.operations[4].kind == "add");
  CHECK(p.operations[4].inputs[0] == p.operations[2].outputs[0]);
  CHECK(p.operations[4].inputs[1] == p.operations[3].outputs[0]);
  CHECK(p.operations[3].inputs[0] == 0);  // the shortcut reads what the body reads
}

TEST_CASE("gradients of branches are right") {
  using body = sequential<square, nn::relu, square>;
  CHECK(check<remat::residual<body>, tensor<float, 6>>().holds());
  CHECK(check<remat::residual<square>, tensor<float, 6>>().holds());
  CHECK(check<remat::residual<identity>, tensor<float, 6>>().holds());  // x + x
  CHECK(check<sequential<square, remat::residual<body, square, sequential<nn::add, nn::relu>>>, tensor<float, 6>>()
            .holds());
  CHECK(check<remat::parallel<nn::add, square, body, identity>, tensor<float, 6>>().holds());
  CHECK(check<sequential<square, remat::tag<"a">, square, remat::tag<"b">, square, remat::join<"a", nn::add>,
                         remat::join<"b", nn::add>, remat::join<"a", nn::add>>,
              tensor<float, 6>>()
            .holds());
  CHECK(check<remat::parallel<nn::add, sequential<remat::pick<1>, square>, remat::pick<0>>, tensor<float, 6>,
              tensor<float, 6>>()
            .holds());
}

TEST_CASE("an addition's gradient is copied only where somebody changes it") {
  const auto actions = [](const remat::program& p, action_kind kind) {
    return remat::count(remat::plan_training(remat::fuse(p), 2), kind);
  };
  // The body's last operation has read the gradient before its first one adds to it.
  const auto two = remat::lower<sequential<square, remat::residual<sequential<square, square>>>, tensor<float, 6>>();
  CHECK(actions(two, action_kind::copy_gradient) == 0);
  // A body of one operation adds to what it reads.
  const auto one = remat::lower<sequential<square, remat::residual<square>>, tensor<float, 6>>();
  CHECK(actions(one, action_kind::copy_gradient) == 1);
  // An activation at the end of the body changes the gradient on its way back: it writes a new one.
  const auto masked =
      remat::lower<sequential<square, remat::residual<sequential<square, nn::relu>>>, tensor<float, 6>>();
  CHECK(actions(masked, action_kind::copy_gradient) == 0);
  CHECK(actions(masked, action_kind::differentiate) == 1);
}

TEST_CASE("a tag that is set again holds what passed last") {
  using net = sequential<remat::repeat<3, sequential<remat::tag<"x">, square>>, remat::join<"x", nn::add>>;
  const remat::program p = remat::lower<net, tensor<float, 6>>();
  REQUIRE(p.operations.size() == 4);
  CHECK(p.operations[3].inputs[1] == p.operations[1].outputs[0]);
}

TEST_CASE("a tag that is set again holds tensors of the last one's shape") {
  using namespace remat;
  // 64, then 128, then 64 wide.
  using net = sequential<tag<"x">, nn::linear<64, 128>, tag<"x">, nn::linear<128, 64>, tag<"y">, tag<"x">,
                         nn::linear<64, 32>, join<"x", nn::concat>, join<"y", nn::concat>>;
  const program p = lower<net, tensor<float, 64>>();
  CHECK(p.tensors[p.outputs[0]].extents[0] == 32 + 64 + 64);
  const operation& joined = p.operations[3];
  CHECK(joined.inputs[1] == p.operations[1].outputs[0]);
  CHECK(p.tensors[joined.inputs[1]].elements() == 64);
}

TEST_CASE("inputs that no gradient reaches have a gradient of zeros") {
  using net = sequential<remat::pick<1>, square>;
  using inputs = remat::tensors<tensor<float, 3>, tensor<float, 6>>;
  remat::model<net, inputs> model{{.seed = 1, .input_gradients = true}};
  const std::vector<float> unused{1, 2, 3}, x{1, 2, 3, 4, 5, 6}, dy(6, 1.0f);
  model.forward(unused, x);
  model.backward(dy);
  CHECK(std::ranges::all_of(model.input_gradient(0), [](float g) { return g == 0; }));
  CHECK(std::ranges::any_of(model.input_gradient(1), [](float g) { return g != 0; }));
}

}  // namespace branches_tests
