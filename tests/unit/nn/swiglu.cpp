// SPDX-License-Identifier: MIT
// The gate of a feed-forward block, next to the same of silu and multiply, and in places that share its gradients.
#include "kernel_run.hpp"

#include <catch2/catch.hpp>

#include <cmath>
#include <cstddef>

namespace swiglu_tests {

namespace nn = remat::nn;
using remat::named, remat::parallel, remat::sequential, remat::tensor;

TEST_CASE("swiglu is silu of the first times the second") {
  kernel_run<nn::swiglu, tensor<float, 700>, tensor<float, 700>> run(3);
  for (float& g : run.inputs[0]) g *= 20;
  run.forward();
  const auto gradients = run.backward();
  for (std::size_t i = 0; i < run.outputs[0].size(); ++i) {
    const double g = static_cast<double>(run.inputs[0][i]), u = static_cast<double>(run.inputs[1][i]);
    const double dy = static_cast<double>(run.output_gradient[i]), s = 1 / (1 + std::exp(-g));
    CHECK(static_cast<double>(run.outputs[0][i]) == Approx(g * s * u).epsilon(1e-5).margin(1e-30));
    CHECK(static_cast<double>(gradients[0][i]) ==
          Approx(dy * u * (s + g * s * (1 - s))).epsilon(1e-4).margin(1e-6 * std::abs(dy * u)));
    CHECK(static_cast<double>(gradients[1][i]) == Approx(dy * g * s).epsilon(1e-5).margin(1e-30));
  }
}

using up = nn::linear<6, 9, nn::bias::without>;
using gated = sequential<parallel<nn::swiglu, named<"gate_proj", up>, named<"up_proj", up>>,
                         named<"down_proj", nn::linear<9, 6, nn::bias::without>>>;

TEST_CASE("gradients of a gated feed-forward block are those of finite differences") {
  CHECK(remat::check_gradients<gated, tensor<float, 4, 6>>().holds());
}
TEST_CASE("swiglu of one tensor twice adds both of its gradients") {
  CHECK(remat::check_gradients<parallel<nn::swiglu, remat::identity, remat::identity>, tensor<float, 5>>().holds());
}
TEST_CASE("a gated feed-forward block has the names of LlamaMLP") {
  remat::model<gated, tensor<float, 4, 6>, nn::mse_loss> model{{.seed = 1}};
  std::string names;
  for (const auto& p : model.parameters()) names += p.name + " ";
  CHECK(names == "0.gate_proj.weight 0.up_proj.weight down_proj.weight ");
}

}  // namespace swiglu_tests
