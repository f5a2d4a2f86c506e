// SPDX-License-Identifier: MIT
/// A pipeline: the network of example 01, or a U-Net that takes noise out of images, with its layers on several ranks.
///
///     mpiexec -n 2 06_pipeline --network cnn --microbatches 4
///     mpiexec -n 4 06_pipeline --network unet --schedule interleaved:2 --microbatches 8 --policy each
///
/// Without mpiexec it runs on one rank. With the same --batch, --microbatches and --threads (of a rank), every number
/// of ranks, schedule, partition and policy gives the same bits, which the last line shows.
///
/// --schedule also takes a file as remat::write_schedule makes it, and --partition a file such as
/// {"conv1": 0, "conv2": 1, "fc1": 2}.
#include <remat/distributed.hpp>
#include <remat/partition/partition_file.hpp>

#include <CLI/CLI.hpp>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <ranges>
#include <span>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace nn = remat::nn;
using input = remat::image<float, 1, 28, 28>;

// clang-format off
using cnn = remat::sequential<
    remat::named<"conv1", nn::conv2d<1, 32, 3>>, nn::relu,
    remat::named<"conv2", nn::conv2d<32, 64, 3>>, nn::relu,
    nn::max_pool2d<2>, nn::flatten,
    remat::named<"fc1", nn::linear<9216, 128>>, nn::relu,
    remat::named<"fc2", nn::linear<128, 10>>, nn::log_softmax>;

// A U-Net (Ronneberger et al. 2015). Where its two sides are on different ranks, its long skips are sent directly from
// one to the other.
template <std::size_t In, std::size_t Out>
using twice = remat::sequential<
    nn::conv2d<In, Out, 3, nn::window{.padding = 1}, nn::bias::without>, nn::batch_norm2d<Out>, nn::relu,
    nn::conv2d<Out, Out, 3, nn::window{.padding = 1}, nn::bias::without>, nn::batch_norm2d<Out>, nn::relu>;
using unet = remat::sequential<
    remat::named<"down1", twice<1, 16>>, remat::tag<"wide">, nn::max_pool2d<2>,       // (16, 14, 14)
    remat::named<"down2", twice<16, 32>>, remat::tag<"narrow">, nn::max_pool2d<2>,    // (32, 7, 7)
    remat::named<"middle", twice<32, 64>>,                                            // (64, 7, 7)
    remat::named<"up2", nn::conv_transpose2d<64, 32, 2, nn::window{.stride = 2}>>, remat::join<"narrow", nn::concat>,
    remat::named<"mix2", twice<64, 32>>,                                              // (32, 14, 14)
    remat::named<"up1", nn::conv_transpose2d<32, 16, 2, nn::window{.stride = 2}>>, remat::join<"wide", nn::concat>,
    remat::named<"mix1", twice<32, 16>>,                                              // (16, 28, 28)
    remat::named<"head", nn::conv2d<16, 1, 1>>>;
// clang-format on

struct policy {
  std::string name;
  remat::checkpoints values;
};
const std::vector<policy> policies{
    {"none", remat::checkpoints::none()},
    {"each", {remat::checkpoint_at("", remat::strategy::each{})}},
    {"pairs", {remat::checkpoint_at("", remat::strategy::group<2>{})}},
    {"contiguous", {remat::checkpoint_at("")}},
    {"square_root", {remat::checkpoint_at("", remat::square_root{})}},
};

struct settings {
  std::string data = "/usr/share/datasets/fashion-mnist";
  std::string network = "cnn", schedule = "1f1b", partition = "balanced", policy = "none";
  std::size_t images = 60'000, batch = 64, microbatches = 4;
  int epochs = 1, threads = 0;
  float learning_rate = 1e-3f, noise = 0.3f;
  std::uint64_t seed = 1;
};

remat::pipeline_schedule schedule_of(const std::string& name) {
  const std::string interleaved = "interleaved:";
  if (name == "gpipe") return remat::schedule::gpipe;
  if (name == "1f1b") return remat::schedule::one_f_one_b;
  if (name == "zero_bubble") return remat::schedule::zero_bubble;
  if (name.starts_with(interleaved)) {
    int stages = 0;
    const char* const last = name.data() + name.size();
    const auto [end, failed] = std::from_chars(name.data() + interleaved.size(), last, stages);
    if (failed != std::errc() || end != last)
      throw remat::error("--schedule " + name + ": the stages of a rank follow the colon, such as interleaved:2");
    return remat::schedule::interleaved<1>.over(stages);
  }
  return remat::read_schedule(name);
}

remat::partition::setting partition_of(const std::string& name) {
  if (name == "balanced") return remat::partition::balanced;
  if (name == "memory") return remat::partition::balanced_memory;
  if (name == "uniform") return remat::partition::uniform;
  return remat::partition::from_file(name);
}

/// Images with Gaussian noise, and the images themselves. The same seed gives the same noise on every rank.
class noisy {
 public:
  noisy(float deviation, std::uint64_t seed) : random_(seed), normal_(0, deviation) {}

  std::pair<std::span<const float>, std::span<const float>> operator()(const remat::batch& clean) {
    values_.assign(clean.images.begin(), clean.images.end());
    for (float& value : values_) value += normal_(random_);
    return {values_, clean.images};
  }

 private:
  std::mt19937_64 random_;
  std::normal_distribution<float> normal_;
  std::vector<float> values_;
};

/// `training(batches, epoch)` and `testing(batches)` give what the model sees of them.
template <class Net, class Loss, class Metric, class Training, class Testing>
void train(const remat::mpi::session& mpi, const settings& s, const char* metric_name, Metric metric,
           const Training& training, const Testing& testing) {
  const auto data = remat::image_set::load(s.data, remat::split::train).first(s.images);
  const auto test = remat::image_set::load(s.data, remat::split::test).first(s.images);
  const std::size_t batch = std::min(s.batch, data.size());

  remat::distributed_model<Net, input, Loss> m{
      mpi,
      {.seed = s.seed,
       .threads = s.threads,
       .checkpoints = std::ranges::find(policies, s.policy, &policy::name)->values,
       .microbatches = s.microbatches,
       .schedule = schedule_of(s.schedule),
       .partition = partition_of(s.partition),
       .partition_batch = std::max<std::size_t>(1, batch / s.microbatches)}};
  remat::adam optimizer{{.learning_rate = s.learning_rate}};
  const bool tells = m.rank() == 0;
  const auto begin = std::chrono::steady_clock::now();
  float loss = 0;
  double value = 0;
  for (int epoch = 0; epoch < s.epochs; ++epoch) {
    auto batches = data.batches(
        batch, {.shuffle_seed = s.seed, .epoch = static_cast<std::uint64_t>(epoch), .last = remat::last_batch::drop});
    remat::progress bar("epoch " + std::to_string(epoch + 1), batches.count());
    for (const auto& [inputs, targets] : training(batches, epoch)) {
      loss = m.train_step(inputs, targets, optimizer);
      if (tells) bar.step(loss, batch);
    }
    auto test_batches = test.batches(250);
    value = m.evaluate(testing(test_batches), metric);
    if (tells) std::printf("epoch %d: loss %.9g, %s %.9g\n", epoch + 1, static_cast<double>(loss), metric_name, value);
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();

  const std::size_t microbatch = batch / (m.microbatches() * static_cast<std::size_t>(m.replicas()));
  const auto activations = m.of_all_ranks(m.plan(microbatch).activation_bytes);
  if (!tells) return;
  for (int rank = 0; rank < m.size(); ++rank) {
    std::printf("rank %d: %10.2f MB of activations, stage", rank,
                static_cast<double>(activations[static_cast<std::size_t>(rank)]) / 1e6);
    for (int stage = 0; stage < m.schedule().stages; ++stage)
      if (m.schedule().rank_of(stage) == m.grid().partition(rank)) std::printf(" %d", stage);
    std::printf("\n");
  }
  std::printf("result: network=%s ranks=%d loss=%.9g %s=%.9g largest_activation_bytes=%llu seconds=%.1f\n",
              s.network.c_str(), m.size(), static_cast<double>(loss), metric_name, value,
              static_cast<unsigned long long>(std::ranges::max(activations)), seconds);
}

void train_cnn(const remat::mpi::session& mpi, const settings& s) {
  const auto as_they_are = [](remat::batch_range& batches, int = 0) -> remat::batch_range& { return batches; };
  train<cnn, nn::nll_loss>(mpi, s, "test_accuracy", remat::accuracy{}, as_they_are, as_they_are);
}

void train_unet(const remat::mpi::session& mpi, const settings& s) {
  // Each epoch has its own noise; that of the test images is the same in all epochs.
  noisy now{s.noise, s.seed};
  const auto with_noise = [&](remat::batch_range& batches, int epoch = -1) {
    now = noisy{s.noise, (s.seed << 16) + static_cast<std::uint64_t>(epoch + 1)};
    return std::views::transform(batches, [&](const remat::batch& clean) { return now(clean); });
  };
  train<unet, nn::mse_loss>(mpi, s, "test_mean_squared_error", remat::mean_squared_error{}, with_noise, with_noise);
}

int main(int argc, char** argv) {
  remat::mpi::session mpi{argc, argv};
  settings s;
  CLI::App app{"Trains a network in a pipeline over the ranks of an MPI job"};
  const auto more_than_0 = CLI::PositiveNumber;
  app.add_option("--network", s.network, "cnn, the classifier of example 01; unet, which removes noise from images")
      ->check(CLI::IsMember({"cnn", "unet"}))
      ->capture_default_str();
  app.add_option("--schedule", s.schedule,
                 "Schedule: gpipe, 1f1b, zero_bubble, interleaved:V (V stages on each rank), or a CSV file")
      ->capture_default_str();
  app.add_option("--partition", s.partition, "Stages: balanced, memory, uniform, or a JSON file")
      ->capture_default_str();
  app.add_option("--microbatches", s.microbatches, "Parts of a batch")->check(more_than_0)->capture_default_str();
  app.add_option("--policy", s.policy, "What is checkpointed")
      ->check(CLI::IsMember({"none", "each", "pairs", "contiguous", "square_root"}))
      ->capture_default_str();
  app.add_option("--data", s.data, "Folder of train-images-idx3-ubyte[.gz] and its companions")->capture_default_str();
  app.add_option("--images", s.images, "Take the first N images")->check(more_than_0)->capture_default_str();
  app.add_option("--epochs", s.epochs, "Passes over the training images")->check(more_than_0)->capture_default_str();
  app.add_option("--batch", s.batch, "Images in a step")->check(CLI::Range(1, 1 << 20))->capture_default_str();
  app.add_option("--learning-rate", s.learning_rate, "Learning rate of Adam")
      ->check(more_than_0)
      ->capture_default_str();
  app.add_option("--noise", s.noise, "Standard deviation of the noise for the U-Net; pixels are from 0 to 1")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  app.add_option("--seed", s.seed, "Seed of weights, order and noise")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  app.add_option("--threads", s.threads, "Threads of a rank; 0: its share of the node's cores")
      ->check(CLI::Range(0, 1024))
      ->capture_default_str();
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return mpi.rank() == 0 ? app.exit(e) : e.get_exit_code();
  }
  // The session prints an exception that is thrown from here on, once, with its rank, and ends all ranks.
  if (s.network == "cnn")
    train_cnn(mpi, s);
  else
    train_unet(mpi, s);
}
