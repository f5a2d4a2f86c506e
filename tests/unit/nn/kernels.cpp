// SPDX-License-Identifier: MIT
// What every kernel promises: the same bits at any number of threads, gradients that are added where they accumulate,
// and halves of backward that together give what the joint kernel gives.
#include "kernel_run.hpp"

#include <catch2/catch.hpp>

namespace kernels_tests {

namespace nn = remat::nn;
using remat::image, remat::tensor;

/// Of oneDNN's matrix products the number of threads is part of the order of sums.
enum class threads_matter { no, yes };

void check(module_run&& run, threads_matter m) {
  INFO(run.kind());
  run.forward();
  const auto outputs = run.outputs;
  const auto gradients = run.backward();
  for (const floats& g : gradients)
    for (const float v : g) REQUIRE(std::isfinite(v));
  CHECK(same_bits(gradients, run.backward(1, false, module_run::halves::apart)));

  constexpr float start = 0x1p-10f;  // of the size of small gradients
  run.forward(1, true);
  const auto sums = run.backward(1, true, module_run::halves::together, start);
  CHECK(same_bits(sums, run.backward(1, true, module_run::halves::apart, start)));
  for (std::size_t i = 0; i < sums.size(); ++i) {
    double largest = 0;
    for (const float g : gradients[i]) largest = std::max(largest, std::fabs(static_cast<double>(g)));
    for (std::size_t k = 0; k < sums[i].size(); ++k)
      REQUIRE(static_cast<double>(sums[i][k]) ==
              Approx(static_cast<double>(gradients[i][k] + start)).epsilon(1e-6).margin(1e-6 * largest));
  }

  if (m == threads_matter::yes) return;
  for (const int threads : {2, 3}) {
    run.forward(threads);
    CHECK(same_bits(run.outputs, outputs));
    CHECK(same_bits(run.backward(threads), gradients));
  }
}
template <class M, class... Inputs>
void check(std::size_t batch, std::size_t rows = 1, threads_matter m = threads_matter::no) {
  INFO("batch " << batch);
  check(kernel_run<M, Inputs...>(batch, rows), m);
}

using pixels = image<float, 13, 9, 7>;
using rows = tensor<float, 5, 53>;
using row = tensor<float, 37>;
using integer = std::int32_t;

TEST_CASE("kernels of activations") {
  check<nn::tanh, pixels>(31);
  check<nn::sigmoid, pixels>(31);
  check<nn::gelu, rows>(101);
  check<nn::gelu_tanh, row>(501);
  check<nn::silu, pixels>(31);
  check<nn::silu, row>(1);
}
TEST_CASE("kernels of softmax") {
  check<nn::softmax, pixels>(31);
  check<nn::softmax, rows>(101);
  check<nn::softmax, row>(1);
}
TEST_CASE("kernels of log_softmax") {
  check<nn::log_softmax, pixels>(31);
  check<nn::log_softmax, rows>(101);
  check<nn::log_softmax, row>(1);
}
TEST_CASE("kernels of layer_norm") {
  check<nn::layer_norm<53>, rows>(101);
  check<nn::layer_norm<53>, rows>(1);
  check<nn::layer_norm<37>, row>(1700);
  check<nn::layer_norm<13>, pixels>(31);
}
TEST_CASE("kernels of rms_norm") {
  check<nn::rms_norm<53>, rows>(101);
  check<nn::rms_norm<53>, rows>(1);
  check<nn::rms_norm<37>, row>(1700);
  check<nn::rms_norm<13>, pixels>(31);
}
TEST_CASE("kernels of rotary_embedding and swiglu") {
  check<nn::rotary_embedding<22>, tensor<float, 7, 66>>(31);
  check<nn::rotary_embedding<2>, tensor<float, 1, 2>>(501);
  check<nn::swiglu, rows, rows>(101);
  check<nn::swiglu, pixels, pixels>(31);
}
TEST_CASE("kernels of embedding") {
  check<nn::embedding<23, 130>, tensor<integer, 7>>(41, 23);
  check<nn::embedding<23, 3>, tensor<integer>>(1, 23);
}
TEST_CASE("kernels of multiply and concat") {
  check<nn::multiply, pixels, pixels>(31);
  check<nn::multiply, row, row, row, row>(501);
  check<nn::concat, pixels, image<float, 2, 9, 7>, pixels>(31);
  check<nn::concat, rows, tensor<float, 5, 3>>(101);
  check<nn::concat, row, tensor<float, 1>>(501);
}
TEST_CASE("kernels of scale_channels") {
  check<nn::scale_channels, pixels, image<float, 13, 1, 1>>(31);
  check<nn::scale_channels, image<float, 300, 1, 1>, image<float, 300, 9, 8>>(3);
  check<nn::scale_channels, image<float, 5, 1, 1>, image<float, 5, 1, 1>>(7);
}
TEST_CASE("kernels of losses") {
  check<nn::cross_entropy, pixels, tensor<integer, 9, 7>>(31, 13);
  check<nn::cross_entropy, rows, tensor<integer, 5>>(101, 53);
  check<nn::cross_entropy, row, tensor<integer>>(1, 37);
  check<nn::nll_loss, pixels, tensor<integer, 9, 7>>(31, 13);
  check<nn::nll_loss, rows, tensor<integer, 5>>(101, 53);
  check<nn::nll_loss, row, tensor<integer>>(1, 37);
  check<nn::mse_loss, pixels, pixels>(31);
  check<nn::bce_with_logits, rows, rows>(101);
}
TEST_CASE("chunks of linear_cross_entropy are equal, and take 8 MB, 64 rows or a third of the weights") {
  namespace detail = nn::detail;
  CHECK(detail::rows_of_chunk(256, 768, 32000) == 256);
  CHECK(detail::rows_of_chunk(300, 600, 32000) == 150);  // of at most 200
  CHECK(detail::rows_of_chunk(1024, 2048, 128256) == 256);
  CHECK(detail::rows_of_chunk(2048, 256, 4096) == 512);
  CHECK(detail::rows_of_chunk(29, 11, 37) == 29);
  for (const std::size_t count : {1, 63, 64, 65, 130, 1000, 4096})
    for (const std::size_t in : {1, 7, 256, 300, 768, 4096})
      for (const std::size_t out : {2, 1000, 30011, 50257, 128256}) {
        CAPTURE(count, in, out);
        const std::size_t chunk = detail::rows_of_chunk(count, in, out), chunks = (count + chunk - 1) / chunk;
        const std::size_t logits = chunk * out * sizeof(float), weights = in * out * sizeof(float);
        CHECK((logits <= std::size_t{8} << 20 || chunk <= 64 || (chunk <= 256 && 3 * logits <= weights)));
        CHECK(chunk * chunks - count < chunks);  // the last one has up to a row less for each other
      }
}
TEST_CASE("kernels of linear_cross_entropy: one chunk, and several") {
  check<nn::linear_cross_entropy<11, 37>, tensor<float, 11>, tensor<integer>>(29, 37, threads_matter::yes);
  check<nn::linear_cross_entropy<7, 30011>, tensor<float, 3, 7>, tensor<integer, 3>>(51, 30011, threads_matter::yes);
  check<nn::linear_cross_entropy<7, 40009, nn::bias::without>, tensor<float, 7>, tensor<integer>>(130, 40009,
                                                                                                  threads_matter::yes);
}

}  // namespace kernels_tests
