// SPDX-License-Identifier: MIT
/// The example of README.md: a network trained on 60,000 images within a budget that the compiler checks.
#include <remat/remat.hpp>

#include <cstdint>
#include <cstdio>
#include <string>

namespace nn = remat::nn;

using net =
    remat::sequential<nn::conv2d<1, 32, 3>, nn::relu, nn::conv2d<32, 64, 3>, nn::relu, nn::max_pool2d<2>, nn::flatten,
                      remat::checkpoint<nn::linear<9216, 128>>, nn::relu, nn::linear<128, 10>, nn::log_softmax>;
using model = remat::model<net, remat::image<float, 1, 28, 28>, nn::nll_loss>;
static_assert(model::peak_activation_bytes(64) < 22'000'000);

int main() {
  const auto data = remat::image_set::load("/usr/share/datasets/fashion-mnist", remat::split::train);
  const auto test = remat::image_set::load("/usr/share/datasets/fashion-mnist", remat::split::test);
  model m{{.seed = 1}};
  remat::adam optimizer{{.learning_rate = 1e-3f}};
  for (std::uint64_t epoch = 0; epoch < 2; ++epoch) {
    auto batches = data.batches(64, {.shuffle_seed = 1, .epoch = epoch});
    remat::progress bar("epoch " + std::to_string(epoch + 1), batches.count());
    for (auto [images, labels] : batches) {
      const float loss = m.train_step(images, labels);
      optimizer.step(m);
      bar.step(loss, labels.size());
    }
    std::printf("test accuracy %.3f\n", m.evaluate(test.batches(256), remat::accuracy{}));
  }
}
