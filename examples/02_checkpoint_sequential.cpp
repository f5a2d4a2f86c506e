// SPDX-License-Identifier: MIT
/// Checkpoints a sequential as a whole: its inside is dropped in the forward pass and computed again in the backward
/// pass.
///
///     02_checkpoint_sequential --data FOLDER --steps 20 --batch 16
///
/// The network scores every pixel: two convolutions, then log-softmax over the 64 channels of (C, H, W), and the
/// negative log-likelihood of a class for each pixel. As a task, a pixel's class is its brightness in the image, in 64
/// levels.
#include <remat/remat.hpp>

#include <CLI/CLI.hpp>

#include <cstdint>
#include <cstdio>
#include <iostream>
#include <string>
#include <vector>

namespace nn = remat::nn;

using seq = remat::sequential<nn::conv2d<1, 20, 5>, nn::relu, nn::conv2d<20, 64, 5>, nn::relu>;
using input = remat::image<float, 1, 28, 28>;
using plain = remat::sequential<remat::named<"seq", seq>, nn::log_softmax>;
using checkpointed =
    remat::sequential<remat::named<"seq", remat::checkpoint_sequential<seq, remat::strategy::contiguous>>,
                      nn::log_softmax>;

constexpr std::size_t kept(std::size_t batch, auto net) {
  return remat::kept_bytes(
      remat::plan_training(remat::fuse(remat::lower<decltype(net), input, nn::nll_loss>()), batch));
}
static_assert(kept(16, checkpointed{}) < kept(16, plain{}));

/// The same from outside, by path, as for a model that others wrote: it is the same program.
using annotated = remat::set_activation_checkpointing<plain, "seq", remat::strategy::contiguous>;
static_assert(kept(16, annotated{}) == kept(16, checkpointed{}));

/// A class from 0 to 63 for each of the 20 x 20 pixels that the convolutions reach.
std::vector<std::int32_t> brightness(std::span<const float> images) {
  std::vector<std::int32_t> classes;
  for (std::size_t n = 0; n < images.size() / 784; ++n)
    for (std::size_t y = 4; y < 24; ++y)
      for (std::size_t x = 4; x < 24; ++x)
        classes.push_back(static_cast<std::int32_t>(images[n * 784 + y * 28 + x] * 63));
  return classes;
}

template <class Net>
void train(const char* name, const remat::image_set& data, std::size_t batch, int steps) {
  remat::model<Net, input, nn::nll_loss> model{{.seed = 1}};
  remat::sgd optimizer{{.learning_rate = 0.05f, .momentum = 0.9f}};
  auto batches = data.batches(batch, {.shuffle_seed = 1, .last = remat::last_batch::drop});
  float first = 0, last = 0;
  int step = 0;
  for (const auto& [images, labels] : batches) {
    last = model.train_step(images, brightness(images));
    if (step == 0) first = last;
    optimizer.step(model);
    if (++step == steps) break;
  }
  std::cout << "\n" << name << "\n" << model.plan();
  std::printf("result: network=%s first_loss=%.6f last_loss=%.6f\n", name, static_cast<double>(first),
              static_cast<double>(last));
}

int main(int argc, char** argv) {
  std::string folder = "/usr/share/datasets/fashion-mnist";
  std::size_t batch = 16;
  int steps = 20;
  CLI::App app{"Checkpoints a sequential, and shows what that keeps and what it costs"};
  app.add_option("--data", folder, "Folder of train-images-idx3-ubyte[.gz] and its companions")->capture_default_str();
  app.add_option("--batch", batch, "Images in a step")->check(CLI::Range(1, 60'000))->capture_default_str();
  app.add_option("--steps", steps, "Training steps")->check(CLI::PositiveNumber)->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  try {
    const remat::image_set data = remat::image_set::load(folder, remat::split::train);
    train<plain>("plain", data, batch, steps);
    train<checkpointed>("checkpointed", data, batch, steps);
  } catch (const remat::error& e) {
    std::cerr << "error: " << e.what() << "\n";
    return 1;
  }
}
