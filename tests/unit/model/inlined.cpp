// SPDX-License-Identifier: MIT
// Modules whose parts are children of the module around them: paths, numbers, annotations, the same operations.
#include <remat/model/lower.hpp>
#include <remat/nn/layer_norm.hpp>
#include <remat/nn/linear.hpp>
#include <remat/nn/relu.hpp>
#include <remat/nn/tanh.hpp>
#include <remat/plan/annotate.hpp>

#include <catch2/catch.hpp>

#include <string>
#include <vector>

namespace inlined_tests {

namespace nn = remat::nn;
using remat::inlined, remat::named, remat::residual, remat::sequential;
using strings = std::vector<std::string>;

template <class Net>
strings paths_of() {
  const remat::program p = remat::lower<Net, remat::tensor<float, 4>>();
  strings paths;
  for (int n = 0; n < p.nodes.count(); ++n) {
    paths.push_back(remat::path_of(p, n));
    CHECK(remat::find_node(p, paths.back()) == n);
  }
  return paths;
}

using layer = nn::linear<4, 4>;
using first = residual<sequential<named<"ln_1", nn::layer_norm<4>>, named<"attn", sequential<layer, nn::tanh>>>>;
using second = residual<sequential<named<"ln_2", nn::layer_norm<4>>, named<"mlp", layer>>>;

TEST_CASE("parts of an inlined module are children of the one around it", "[model]") {
  CHECK(paths_of<sequential<inlined<first>, nn::relu, inlined<second>, layer>>() ==
        strings{"", "ln_1", "attn", "attn.0", "attn.1", "2", "3", "ln_2", "mlp", "6", "7"});
  CHECK(paths_of<sequential<named<"h", remat::repeat<2, sequential<inlined<second>>>>>>() ==
        strings{"", "h", "h.0", "h.0.ln_2", "h.0.mlp", "h.0.2", "h.1", "h.1.ln_2", "h.1.mlp", "h.1.2"});
}

TEST_CASE("inlined modules are inlined in one another, in branches, in bodies, through stages and frozen parts",
          "[model]") {
  using pair = inlined<sequential<layer, nn::relu>>;
  CHECK(paths_of<sequential<inlined<sequential<pair, layer>>, nn::tanh>>() == strings{"", "0", "1", "2", "3"});
  CHECK(paths_of<remat::parallel<nn::add, pair, layer, named<"x", layer>>>() == strings{"", "0", "1", "2", "x", "4"});
  CHECK(paths_of<residual<sequential<pair, layer>, pair>>() == strings{"", "0", "1", "2", "3", "4", "5"});
  CHECK(paths_of<sequential<remat::frozen<remat::on_stage<0, pair>>, layer>>() == strings{"", "0", "1", "2"});
  CHECK(paths_of<sequential<layer, inlined<remat::repeat<3, layer>>, layer>>() == strings{"", "0", "1", "2", "3", "4"});
  // More than an instantiation of `chain` holds.
  CHECK(paths_of<sequential<pair, layer, layer, layer, layer, layer, pair, pair, layer, pair, layer>>().back() == "14");
}

TEST_CASE("a module with a name, a checkpoint, others like it or none around it is there itself", "[model]") {
  using pair = inlined<sequential<layer, nn::relu>>;
  CHECK(paths_of<pair>() == strings{"", "0", "1"});
  CHECK(paths_of<sequential<named<"a", pair>, layer>>() == strings{"", "a", "a.0", "a.1", "1"});
  CHECK(paths_of<sequential<remat::checkpoint<pair>, layer>>() == strings{"", "0", "0.0", "0.1", "1"});
  CHECK(paths_of<sequential<remat::checkpoint_sequential<pair>, layer>>() == strings{"", "0", "0.0", "0.1", "1"});
  CHECK(paths_of<sequential<remat::shared<"s", pair>, layer>>() == strings{"", "0", "0.0", "0.1", "1"});
  CHECK(paths_of<sequential<remat::set_activation_checkpointing<pair, "0">, layer>>() ==
        strings{"", "0", "0.0", "0.1", "1"});
  CHECK(paths_of<remat::repeat<2, pair>>() == strings{"", "0", "0.0", "0.1", "1", "1.0", "1.1"});
}

TEST_CASE("an annotation finds the blocks of an inlined repeat", "[model]") {
  using net = sequential<named<"layer1", sequential<layer, inlined<remat::repeat<5, sequential<layer, nn::relu>>>>>>;
  const remat::program p =
      remat::lower<remat::set_activation_checkpointing<net, "layer1.5">, remat::tensor<float, 4>>();
  for (int n = 0; n < p.nodes.count(); ++n)
    CHECK(p.nodes[n].checkpoints.size() == (remat::path_of(p, n) == "layer1.5" ? 1 : 0));
}

TEST_CASE("an annotation finds an inlined module's parts, and the operations are those of the module", "[model]") {
  using block = sequential<inlined<first>, inlined<second>>;
  using net = sequential<named<"h", remat::repeat<3, block>>>;
  const remat::program plain =
      remat::lower<sequential<named<"h", remat::repeat<3, sequential<first, second>>>>, remat::tensor<float, 4>>();
  const remat::program p = remat::lower<remat::set_activation_checkpointing<net, "h.*.mlp">, remat::tensor<float, 4>>();
  REQUIRE(p.operations.size() == plain.operations.size());
  for (std::size_t i = 0; i < p.operations.size(); ++i) {
    CHECK(p.operations[i].kind == plain.operations[i].kind);
    for (int k = 0; k < p.operations[i].inputs.size; ++k)
      CHECK(p.operations[i].inputs[k] == plain.operations[i].inputs[k]);
  }
  for (const char* path : {"h.0.mlp", "h.1.mlp", "h.2.mlp"})
    CHECK(p.nodes[remat::find_node(p, path)].checkpoints.size() == 1);
  CHECK(p.nodes[remat::find_node(p, "h.1.attn")].checkpoints.empty());
}

}  // namespace inlined_tests
