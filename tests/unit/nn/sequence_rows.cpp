// SPDX-License-Identifier: MIT
// Rows of sequences: one that is taken, one that is put before, and those that an image is made of.
#include "kernel_run.hpp"

#include <remat/nn/class_token.hpp>
#include <remat/nn/image_to_sequence.hpp>
#include <remat/nn/select_row.hpp>

#include <catch2/catch.hpp>

#include <cstddef>

namespace sequence_rows_tests {

namespace nn = remat::nn;
using remat::image, remat::residual, remat::sequential, remat::tensor;

constexpr std::size_t length = 5, width = 70, batch = 3;

void check_bits_on_threads(module_run& run) {
  const auto gradients = run.backward();
  const auto outputs = run.outputs;
  for (const int threads : {2, 3}) {
    run.forward(threads);
    CHECK(same_bits(run.outputs, outputs));
    CHECK(same_bits(run.backward(threads), gradients));
  }
}

TEST_CASE("a row is selected, and the others have gradients of 0") {
  kernel_run<nn::select_row<2>, tensor<float, length, width>> run(batch);
  run.forward();
  const auto gradients = run.backward(), sums = run.backward(1, true, decltype(run)::halves::apart, 0.5f);
  for (std::size_t n = 0; n < batch; ++n)
    for (std::size_t i = 0; i < length * width; ++i) {
      const bool is_taken = i / width == 2;
      const float dy = is_taken ? run.output_gradient[n * width + i % width] : 0;
      if (is_taken) CHECK(run.outputs[0][n * width + i % width] == run.inputs[0][n * length * width + i]);
      CHECK(gradients[0][n * length * width + i] == dy);
      CHECK(sums[0][n * length * width + i] == dy + 0.5f);
    }
  check_bits_on_threads(run);
}

TEST_CASE("a class token is before its sequence, and its gradient the sum over the batch") {
  kernel_run<nn::class_token<width>, tensor<float, length, width>> run(batch);
  run.forward();
  const auto gradients = run.backward(), sums = run.backward(1, true, decltype(run)::halves::apart, 0.5f);
  const std::size_t rows = length + 1;
  for (std::size_t n = 0; n < batch; ++n)
    for (std::size_t i = 0; i < rows * width; ++i) {
      const float y = run.outputs[0][n * rows * width + i], dy = run.output_gradient[n * rows * width + i];
      if (i < width) {
        CHECK(y == run.parameters[0][i]);
        continue;
      }
      const std::size_t at = n * length * width + i - width;
      CHECK(y == run.inputs[0][at]);
      CHECK(gradients[0][at] == dy);
      CHECK(sums[0][at] == dy + 0.5f);
    }
  for (std::size_t i = 0; i < width; ++i) {
    float sum = 0;
    for (std::size_t n = 0; n < batch; ++n) sum += run.output_gradient[n * rows * width + i];
    CHECK(gradients[1][i] == sum);
    CHECK(sums[1][i] == sum + 0.5f);
  }
  check_bits_on_threads(run);
}

TEST_CASE("gradients through rows of sequences are those of finite differences") {
  using patches = sequential<nn::conv2d<2, 6, 2, nn::window{.stride = 2}>, nn::image_to_sequence, nn::class_token<6>,
                             residual<nn::linear<6, 6>>, nn::select_row<0>, nn::linear<6, 3>>;
  CHECK(remat::check_gradients<patches, image<float, 2, 4, 6>>().holds());
  using twice = remat::parallel<nn::add, sequential<nn::image_to_sequence, nn::select_row<1>>,
                                sequential<nn::image_to_sequence, nn::select_row<3>>>;
  CHECK(remat::check_gradients<sequential<nn::conv2d<1, 4, 1>, twice>, image<float, 1, 2, 3>>().holds());
}

TEST_CASE("the pixels of an image become rows without a copy") {
  const auto peak = []<class... M>() {
    return remat::peak_activation_bytes<sequential<M...>, image<float, 2, 9, 9>, nn::mse_loss>(9);
  };
  using conv = nn::conv2d<2, 6, 2>;
  CHECK(peak.operator()<conv, nn::image_to_sequence>() == peak.operator()<conv>());
  remat::model<sequential<nn::image_to_sequence>, image<float, 2, 2, 3>> m{{.seed = 1}};
  const std::vector<float> x{0, 1, 2, 3, 4, 5, 10, 11, 12, 13, 14, 15};
  const std::span<const float> y = m.predict(x);
  CHECK(std::vector<float>(y.begin(), y.end()) == std::vector<float>{0, 10, 1, 11, 2, 12, 3, 13, 4, 14, 5, 15});
}

}  // namespace sequence_rows_tests
