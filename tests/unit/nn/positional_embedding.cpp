// SPDX-License-Identifier: MIT
// Rows of a table that are added to the places of a sequence, whose gradient passes through.
#include "kernel_run.hpp"

#include <catch2/catch.hpp>

#include <cstddef>

namespace positional_embedding_tests {

namespace nn = remat::nn;
using remat::named, remat::sequential, remat::tensor;

TEST_CASE("a positional embedding adds its first rows, and the others have gradients of 0") {
  constexpr std::size_t length = 5, width = 70, batch = 3;
  kernel_run<nn::positional_embedding<8, width>, tensor<float, length, width>> run(batch);
  run.forward();
  const auto gradients = run.backward();
  for (std::size_t i = 0; i < run.outputs[0].size(); ++i)
    CHECK(run.outputs[0][i] == run.inputs[0][i] + run.parameters[0][i % (length * width)]);
  for (std::size_t i = 0; i < gradients[1].size(); ++i) {
    float sum = 0;
    for (std::size_t n = 0; n < batch && i < length * width; ++n) sum += run.output_gradient[n * length * width + i];
    CHECK(gradients[1][i] == sum);
  }
  for (const int threads : {2, 3}) {
    const auto outputs = run.outputs;
    run.forward(threads);
    CHECK(same_bits(run.outputs, outputs));
    CHECK(same_bits(run.backward(threads)[1], gradients[1]));
  }
  const auto sums = run.backward(1, true, decltype(run)::halves::apart, 0.5f);
  for (std::size_t i = 0; i < sums[1].size(); ++i) CHECK(sums[1][i] == gradients[1][i] + 0.5f);
}

TEST_CASE("a positional embedding whose first row is another adds the rows from there on") {
  constexpr std::size_t length = 5, width = 70, batch = 3, before = 2 * width;
  kernel_run<nn::positional_embedding<8, width, 2>, tensor<float, length, width>> run(batch);
  run.forward();
  const auto gradients = run.backward();
  for (std::size_t i = 0; i < run.outputs[0].size(); ++i)
    CHECK(run.outputs[0][i] == run.inputs[0][i] + run.parameters[0][before + i % (length * width)]);
  for (std::size_t i = 0; i < gradients[1].size(); ++i) {
    float sum = 0;
    for (std::size_t n = 0; n < batch && before <= i && i < before + length * width; ++n)
      sum += run.output_gradient[n * length * width + i - before];
    CHECK(gradients[1][i] == sum);
  }
  CHECK(same_bits(run.backward(3)[1], gradients[1]));
  static_assert(!remat::Accepts<nn::positional_embedding<8, width, 2>, tensor<float, 7, width>>);
  static_assert(remat::Accepts<nn::positional_embedding<8, width, 2>, tensor<float, 6, width>>);
}

using embedded = sequential<nn::linear<4, 6>, named<"wpe", nn::positional_embedding<7, 6>>, nn::linear<6, 3>>;

TEST_CASE("gradients through a positional embedding are those of finite differences") {
  CHECK(remat::check_gradients<embedded, tensor<float, 5, 4>>().holds());
  CHECK(remat::check_gradients<remat::residual<nn::positional_embedding<5, 4>>, tensor<float, 5, 4>>().holds());
}
TEST_CASE("a positional embedding keeps nothing and copies no gradient") {
  using linears = sequential<nn::linear<4, 6>, nn::linear<6, 3>>;
  const auto peak = []<class Net>() { return remat::peak_activation_bytes<Net, tensor<float, 5, 4>, nn::mse_loss>(9); };
  CHECK(peak.operator()<embedded>() == peak.operator()<linears>());
}

}  // namespace positional_embedding_tests
