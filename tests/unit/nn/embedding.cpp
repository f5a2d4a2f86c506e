// SPDX-License-Identifier: MIT
#include "kernel_run.hpp"

#include <catch2/catch.hpp>

namespace embedding_tests {

namespace nn = remat::nn;

TEST_CASE("an embedding names the index that is no row") {
  kernel_run<nn::embedding<4, 2>, remat::tensor<std::int32_t, 3>> run(2, 4);
  run.integers[0] = {0, 1, 2, 3, 4, 0};
  CHECK_THROWS_WITH(run.forward(), "embedding: index 4 at place 4 of the micro-batch names no row; rows are 0 to 3");
  run.integers[0] = {0, 1, -1, 3, 0, 0};
  CHECK_THROWS_WITH(run.forward(), Catch::Contains("index -1 at place 2"));
}

TEST_CASE("a row of an embedding gets the gradients of all its places, and no other anything") {
  kernel_run<nn::embedding<4, 2>, remat::tensor<std::int32_t, 3>> run(1, 4);
  run.integers[0] = {2, 0, 2};
  run.forward();
  CHECK(std::equal(run.outputs[0].begin(), run.outputs[0].begin() + 2, run.parameters[0].begin() + 4));
  const floats dw = run.backward()[1];
  const floats& dy = run.output_gradient;
  CHECK(dw == floats{dy[2], dy[3], 0, 0, dy[0] + dy[4], dy[1] + dy[5], 0, 0});
}

}  // namespace embedding_tests
