// SPDX-License-Identifier: MIT
/// A residual network of 18 layers (He et al. 2016) under several policies: what each keeps, and how long a step takes.
///
///     05_resnet --data FOLDER --steps 200 --batch 64 --policy blocks
///
/// The network is torchvision's resnet18 with a stem of 3 x 3 and no pooling after it, for images of 28 x 28; its
/// parameters have the same names, so that weights go both ways: `--weights` starts from a state_dict of PyTorch's.
/// tests/parity/training.py trains the same network in PyTorch, and compares the losses. `blocks` is a transform: every
/// residual block of the model, at whatever depth, is checkpointed. The other policies are given by path.
#include <remat/remat.hpp>
#include <remat/weights.hpp>

#include <CLI/CLI.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

namespace nn = remat::nn;
namespace rate = remat::learning_rate;

template <std::size_t In, std::size_t Out, std::size_t K, std::size_t Stride>
using conv = nn::conv2d<In, Out, K, nn::window{.stride = Stride, .padding = K / 2}, nn::bias::without>;

template <std::size_t In, std::size_t Out, std::size_t Stride>
using body = remat::sequential<remat::named<"conv1", conv<In, Out, 3, Stride>>,
                               remat::named<"bn1", nn::batch_norm2d<Out>>, nn::relu,
                               remat::named<"conv2", conv<Out, Out, 3, 1>>, remat::named<"bn2", nn::batch_norm2d<Out>>>;
using add_relu = remat::sequential<nn::add, nn::relu>;

template <std::size_t C>
using block = remat::residual<body<C, C, 1>, remat::identity, add_relu>;
template <std::size_t In, std::size_t Out, std::size_t Stride>
using widening_block =
    remat::residual<body<In, Out, Stride>,
                    remat::named<"downsample", remat::sequential<conv<In, Out, 1, Stride>, nn::batch_norm2d<Out>>>,
                    add_relu>;
template <std::size_t In, std::size_t Out>
using layer = remat::sequential<widening_block<In, Out, 2>, block<Out>>;

using resnet18 = remat::sequential<remat::named<"conv1", conv<1, 64, 3, 1>>, remat::named<"bn1", nn::batch_norm2d<64>>,
                                   nn::relu, remat::named<"layer1", remat::repeat<2, block<64>>>,  //
                                   remat::named<"layer2", layer<64, 128>>, remat::named<"layer3", layer<128, 256>>,
                                   remat::named<"layer4", layer<256, 512>>, nn::adaptive_avg_pool2d<1, 1>, nn::flatten,
                                   remat::named<"fc", nn::linear<512, 10>>>;

/// Checkpoints every residual block, wherever it is.
struct is_block {
  template <class M>
  constexpr bool operator()(M) const {
    return false;
  }
  template <class Body, class Shortcut, class Join>
  constexpr bool operator()(remat::residual<Body, Shortcut, Join>) const {
    return true;
  }
};
struct add_checkpoint {
  constexpr auto operator()(auto m) const { return remat::as_checkpointed(m); }
};
using checkpointed_blocks = decltype(remat::transform_modules(resnet18{}, is_block{}, add_checkpoint{}));

using input = remat::image<float, 1, 28, 28>;
using model = remat::model<checkpointed_blocks, input, nn::cross_entropy>;

struct policy {
  std::string name;
  remat::checkpoints values;
};

const std::vector<policy> policies{
    {"none", remat::checkpoints::none()},
    {"blocks", {}},  // the tags in the type
    {"all", {remat::checkpoint_at("")}},
    {"square_root", {remat::checkpoint_at("", remat::square_root{})}},
    {"save_convolutions", {remat::checkpoint_at("", remat::save_only<remat::kind<"conv2d">>{})}},
};

model make(const policy& p) { return model{{.seed = 1, .checkpoints = p.values}}; }

int main(int argc, char** argv) {
  std::string folder = "/usr/share/datasets/fashion-mnist", wanted = "blocks", weights, losses;
  bool in_stored_order = false;
  int steps = 100;
  std::size_t batch = 64, images = 60'000, warm_up = 0;
  CLI::App app{"Trains a residual network under a policy, and compares the policies"};
  app.add_option("--data", folder, "Folder of train-images-idx3-ubyte[.gz] and its companions")->capture_default_str();
  app.add_option("--images", images, "Train on the first N images")->check(CLI::PositiveNumber)->capture_default_str();
  app.add_option("--steps", steps, "Training steps")->check(CLI::PositiveNumber)->capture_default_str();
  app.add_option("--warm-up", warm_up, "Steps until the learning rate is reached")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  app.add_option("--batch", batch, "Images in a step")->check(CLI::Range(1, 1 << 16))->capture_default_str();
  app.add_option("--policy", wanted, "What is checkpointed: none, blocks, all, square_root or save_convolutions")
      ->capture_default_str();
  app.add_option("--weights", weights, "Safetensors file to start from")->check(CLI::ExistingFile);
  app.add_option("--losses", losses, "File for the loss of every step, one a line");
  app.add_flag("--stored-order", in_stored_order, "Take the images in the order of the file, without shuffling");
  CLI11_PARSE(app, argc, argv);
  try {
    const auto chosen = std::ranges::find(policies, wanted, &policy::name);
    if (chosen == policies.end()) throw remat::error("--policy takes one of the names in --help, not '" + wanted + "'");
    std::ofstream losses_file;
    if (!losses.empty()) losses_file.open(losses);
    if (!losses_file) throw remat::error("cannot write " + losses);
    losses_file.precision(9);
    const auto data = remat::image_set::load(folder, remat::split::train).first(images);
    const auto test = remat::image_set::load(folder, remat::split::test).first(std::min<std::size_t>(images, 1000));

    std::printf("%-20s%14s%14s%12s%12s\n", "policy", "peak", "kept", "recomputed", "a step");
    for (const policy& p : policies) {
      model m = make(p);
      auto range = data.batches(std::min(batch, data.size()));
      const auto [some, labels] = *range.begin();
      m.train_step(some, labels);
      const auto begin = std::chrono::steady_clock::now();
      m.train_step(some, labels);
      const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
      const remat::plan_report plan = m.plan();
      std::printf("%-20s%11.2f MB%11.2f MB%12zu%9.0f ms\n", p.name.c_str(),
                  static_cast<double>(plan.activation_bytes) / 1e6, static_cast<double>(plan.kept_bytes) / 1e6,
                  plan.recompute, 1e3 * seconds);
    }

    model m = make(*chosen);
    if (!weights.empty()) remat::load_weights(m, weights);
    remat::sgd optimizer{{.learning_rate = 0.05f, .momentum = 0.9f, .weight_decay = 5e-4f}};
    optimizer.group(remat::is_bias_or_norm, {.weight_decay = 0});
    const std::size_t rest = static_cast<std::size_t>(steps) - std::min(warm_up, static_cast<std::size_t>(steps));
    const rate::sequence factor{rate::linear{warm_up}, rate::cosine{rest}};
    const auto seed = in_stored_order ? std::nullopt : std::optional<std::uint64_t>(1);
    int step = 0;
    float loss = 0;
    for (std::uint64_t epoch = 0; step < steps; ++epoch) {
      auto batches = data.batches(std::min(batch, data.size()),
                                  {.shuffle_seed = seed, .epoch = epoch, .last = remat::last_batch::drop});
      for (const auto& [some, labels] : batches) {
        // Each parameter is updated as soon as its gradient is final: there is no block of all gradients.
        loss = m.train_step(some, labels, optimizer, factor(optimizer.steps()));
        if (losses_file.is_open()) losses_file << loss << '\n';
        if (++step == steps) break;
      }
    }
    if (!losses_file.flush()) throw remat::error("cannot write " + losses);
    std::cout << "\n" << m.memory(optimizer);
    std::printf("result: policy=%s steps=%d loss=%.4f test_accuracy=%.3f\n", wanted.c_str(), step,
                static_cast<double>(loss), m.evaluate(test.batches(250), remat::accuracy{}));
  } catch (const remat::error& e) {
    std::cerr << "error: " << e.what() << "\n";
    return 1;
  }
}
