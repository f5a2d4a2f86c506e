// SPDX-License-Identifier: MIT
/// Trains a small convolutional network on 60,000 real images, with one layer checkpointed, and compares the policies.
///
///     01_train_images --data FOLDER --epochs 3 --batch 64 --policy fc1
///
/// The folder holds the IDX files of MNIST or Fashion-MNIST, plain or gzip.
#include <remat/remat.hpp>

#include <CLI/CLI.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <iostream>
#include <string>
#include <vector>

namespace nn = remat::nn;

// clang-format off
using net = remat::sequential<
    remat::named<"conv1", nn::conv2d<1, 32, 3>>, nn::relu,
    remat::named<"conv2", nn::conv2d<32, 64, 3>>, nn::relu,
    nn::max_pool2d<2>, nn::flatten,
    remat::checkpoint<remat::named<"fc1", nn::linear<9216, 128>>>, nn::relu,
    remat::named<"fc2", nn::linear<128, 10>>, nn::log_softmax>;
// clang-format on
using input = remat::image<float, 1, 28, 28>;
using loss = nn::nll_loss;
using model = remat::model<net, input, loss>;

// What a training step will need is known before anything runs.
static_assert(model::peak_activation_bytes(64) < 22'000'000);

// The same compiled network under another policy: checkpoints as values, instead of the tag in the type.
struct policy {
  std::string name;
  remat::checkpoints values;
};
const std::vector<policy> policies{
    {"none", remat::checkpoints::none()},
    {"fc1", {remat::checkpoint_at("fc1")}},
    {"each", {remat::checkpoint_at("", remat::strategy::each{})}},
    {"all", {remat::checkpoint_at("")}},
};

struct settings {
  std::string data = "/usr/share/datasets/fashion-mnist";
  std::size_t images = 60'000;
  int epochs = 3;
  std::size_t batch = 64;
  std::uint64_t seed = 1;
  int threads = 0;
  std::string policy = "fc1";
};

double seconds_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

/// Planned bytes and step time of every policy, on one batch.
void compare_policies(const settings& s, const remat::image_set& data) {
  std::printf("\npolicy   planned peak   kept bytes    recomputed calls   step\n");
  for (const policy& each : policies) {
    model m{{.seed = s.seed, .threads = s.threads, .checkpoints = each.values}};
    remat::batch_range range = data.batches(std::min(s.batch, data.size()));
    const auto [images, labels] = *range.begin();
    std::vector<double> times;
    for (int i = 0; i < 8; ++i) {
      const auto begin = std::chrono::steady_clock::now();
      m.train_step(images, labels);
      times.push_back(seconds_since(begin));
    }
    std::ranges::sort(times);
    const remat::plan_report plan = m.plan();
    std::printf("%-8s %10zu B %10zu B %12zu %15.2f ms\n", each.name.c_str(), plan.activation_bytes, plan.kept_bytes,
                plan.recompute, 1e3 * times[times.size() / 2]);
  }
}

void train(const settings& s) {
  const auto chosen = std::ranges::find(policies, s.policy, &policy::name);
  if (chosen == policies.end()) throw remat::error("--policy takes none, fc1, each or all, not '" + s.policy + "'");
  const remat::image_set data = remat::image_set::load(s.data, remat::split::train).first(s.images);
  const remat::image_set test = remat::image_set::load(s.data, remat::split::test);
  if (data.channels() != 1 || data.height() != 28 || data.width() != 28)
    throw remat::error("the images in " + s.data + " are not 28 x 28 with one channel, which this network takes");

  model m{{.seed = s.seed, .threads = s.threads, .checkpoints = chosen->values}};
  std::cout << m.plan(std::min(s.batch, data.size())) << std::flush;
  remat::adam optimizer{{.learning_rate = 1e-3f}};
  const auto begin = std::chrono::steady_clock::now();
  double accuracy = 0;
  for (int epoch = 0; epoch < s.epochs; ++epoch) {
    auto batches = data.batches(s.batch, {.shuffle_seed = s.seed, .epoch = static_cast<std::uint64_t>(epoch)});
    remat::progress bar("epoch " + std::to_string(epoch + 1), batches.count());
    for (const auto& [images, labels] : batches) {
      const float value = m.train_step(images, labels);
      optimizer.step(m);
      bar.step(value, labels.size());
    }
    accuracy = m.evaluate(test.batches(256), remat::accuracy{});
    std::printf("epoch %d: test accuracy %.4f\n", epoch + 1, accuracy);
  }
  const double seconds = seconds_since(begin);

  // The step runs once more, and the bytes that it changes are counted.
  remat::batch_range range = data.batches(std::min(s.batch, data.size()));
  const auto [images, labels] = *range.begin();
  const remat::audit_report audit = remat::audit(m, images, labels);
  compare_policies(s, data);
  std::printf("\nresult: test_accuracy=%.4f planned_peak_bytes=%zu used_peak_bytes=%zu seconds=%.1f\n", accuracy,
              audit.planned_bytes, audit.used_bytes, seconds);
}

int main(int argc, char** argv) {
  settings s;
  CLI::App app{"Trains a convolutional network on IDX images, with a checkpointed layer"};
  app.add_option("--data", s.data, "Folder of train-images-idx3-ubyte[.gz] and its companions")->capture_default_str();
  app.add_option("--images", s.images, "Train on the first N images")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--epochs", s.epochs, "Passes over the training images")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--batch", s.batch, "Images in a step")->check(CLI::Range(1, 1 << 20))->capture_default_str();
  app.add_option("--seed", s.seed, "Seed of the initial weights and of the order of images")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  app.add_option("--threads", s.threads, "Threads; 0: as many as OpenMP gives")
      ->check(CLI::Range(0, 1024))
      ->capture_default_str();
  app.add_option("--policy", s.policy, "What is checkpointed")
      ->check(CLI::IsMember({"none", "fc1", "each", "all"}))
      ->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  try {
    train(s);
  } catch (const remat::error& e) {
    std::cerr << "error: " << e.what() << "\n";
    return 1;
  }
}
