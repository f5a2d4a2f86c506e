// SPDX-License-Identifier: MIT
// Layers of images: the same bits on any number of threads, and gradients that are added where they are asked to be.
#include <remat/remat.hpp>

#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>
#include <vector>

#include "larger.hpp"
#include "one_layer.hpp"

namespace images_tests {

namespace nn = remat::nn;
using nn::bias;

bool are_near(const std::vector<float>& some, const std::vector<float>& others) {
  const auto magnitude = [](float a, float b) { return std::abs(a) < std::abs(b); };
  const float largest = std::abs(*std::ranges::max_element(some, magnitude));
  return std::ranges::equal(some, others, [&](float a, float b) { return std::abs(a - b) <= 4e-6f * (largest + 1); });
}

/// Forward and the gradient of the input on 1 and on 2 threads; then the gradients added to what is there, which may be
/// rounded otherwise where oneDNN adds. Without AVX-512 oneDNN computes some convolutions by its gemm, which cuts sums
/// by the number of threads: then they are near, and those of one number of threads the same.
void check(const remat::program& layer, std::size_t batch, bool added_exactly) {
  const bool by_gemm = !added_exactly && remat::onednn::instructions() == remat::onednn::instruction_set::other;
  const auto made = [&](bool adds) { return layer_run(layer, batch, remat::activation::none, true, adds); };
  layer_run one = made(false), two = made(false), adding = made(true);
  const std::vector<float> before = adding.dx;
  const auto gradients_before = adding.gradients;
  one.forward(1);
  two.forward(2);
  adding.forward(1);
  one.backward(1);
  two.backward(2);
  adding.backward(2);
  if (by_gemm) {
    layer_run again = made(false);
    again.forward(2);
    again.backward(2);
    CHECK(same_bits(again.y, two.y));
    CHECK(same_bits(again.dx, two.dx));
    CHECK(are_near(one.y, two.y));
    CHECK(are_near(one.dx, two.dx));
  } else {
    CHECK(same_bits(one.y, two.y));
    CHECK(same_bits(one.dx, two.dx));
  }
  const auto check_sum = [&](const std::vector<float>& start, const std::vector<float>& more,
                             const std::vector<float>& sum, bool exactly) {
    double error = 0, largest = 0;
    bool same = true;
    for (std::size_t i = 0; i < sum.size(); ++i) {
      same = same && start[i] + more[i] == sum[i];
      error = larger(error, std::abs(static_cast<double>(start[i] + more[i] - sum[i])));
      largest = std::max(largest, std::abs(static_cast<double>(more[i])));
    }
    CHECK((!exactly || same));
    CHECK(error <= 4e-6 * (largest + 1));
    CHECK(largest > 0);
  };
  check_sum(before, one.dx, adding.dx, added_exactly);
  for (std::size_t k = 0; k < one.gradients.size(); ++k)
    check_sum(gradients_before[k], one.gradients[k], adding.gradients[k], false);
}
template <class M, std::size_t C, std::size_t H, std::size_t W>
void check(std::size_t batch, bool added_exactly) {
  INFO(M::kind << " of (" << C << ", " << H << ", " << W << "), batch " << batch);
  check(remat::lower<remat::sequential<M>, remat::image<float, C, H, W>>(), batch, added_exactly);
}

TEST_CASE("resampled images and their gradients do not depend on threads, and add exactly") {
  for (const std::size_t batch : {1u, 3u}) {
    check<nn::avg_pool2d<2>, 5, 9, 7>(batch, true);
    check<nn::avg_pool2d<3, nn::window{.stride = 2, .padding = 1}>, 64, 33, 31>(batch, true);
    check<nn::avg_pool2d<2, nn::window{.stride = 3}>, 3, 10, 12>(batch, true);
    check<nn::avg_pool2d<nn::extents{1, 3}, nn::window{.stride = {1, 2}, .padding = {0, 1}}>, 3, 10, 12>(batch, true);
    check<nn::avg_pool2d<nn::extents{1, 4}>, 1, 1, 300'000>(batch, true);
    check<nn::adaptive_avg_pool2d<1>, 300, 14, 13>(batch, true);
    check<nn::adaptive_avg_pool2d<3, 5>, 7, 11, 4>(batch, true);
    check<nn::upsample_nearest<2>, 33, 17, 16>(batch, true);
    check<nn::upsample_bilinear<3>, 4, 5, 1>(batch, true);
    check<nn::upsample_bilinear<2>, 64, 20, 21>(batch, true);
  }
}

TEST_CASE("convolutions and their gradients of inputs do not depend on threads, and add") {
  for (const std::size_t batch : {1u, 7u}) {
    check<nn::conv2d<16, 5, 3, nn::window{.padding = 1}>, 16, 9, 8>(batch, false);
    check<nn::conv2d<6, 8, 1>, 6, 33, 40>(batch, false);
    check<nn::conv2d<6, 8, 3, nn::window{.stride = 2, .padding = 1}>, 6, 60, 41>(batch, false);
    check<nn::conv2d<16, 16, 3, nn::window{.padding = 4}, bias::without>, 16, 5, 6>(
        batch, false);  // a border wider than the kernel
    check<nn::conv2d<9, 6, 3, nn::window{.padding = 2, .dilation = 2, .groups = 3}>, 9, 11, 10>(batch, false);
    check<nn::conv2d<8, 16, 3, nn::window{.stride = 2, .padding = 2, .dilation = 2, .groups = 8}>, 8, 11, 10>(batch,
                                                                                                              false);
    check<nn::conv2d<32, 32, 5, nn::window{.padding = 2, .groups = 32}>, 32, 11, 10>(batch, false);
    check<nn::conv_transpose2d<6, 5, 3, nn::window{.stride = 2, .padding = 1, .output_padding = 1}>, 6, 9, 8>(batch,
                                                                                                              false);
    check<nn::conv2d<16, 9, nn::extents{1, 3}, nn::window{.stride = {2, 1}, .padding = {0, 2}, .dilation = {1, 2}}>, 16,
          9, 8>(batch, false);
    check<nn::conv2d<16, 6, nn::extents{5, 2}, nn::window{.padding = {2, 1}}>, 16, 9, 8>(batch, false);
    check<nn::conv_transpose2d<4, 3, 2, nn::window{.stride = 2}>, 4, 20, 30>(batch, false);
    check<nn::conv_transpose2d<4, 6, nn::extents{3, 2},
                               nn::window{.stride = {2, 1}, .output_padding = {1, 0}, .dilation = {1, 3}, .groups = 2}>,
          4, 7, 9>(batch, false);
    check<nn::conv_transpose2d<4, 17, 3, nn::window{}, bias::without>, 4, 5, 6>(batch, false);
  }
}

}  // namespace images_tests
