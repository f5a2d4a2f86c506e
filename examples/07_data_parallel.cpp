// SPDX-License-Identifier: MIT
/// Data parallelism over pipelines: two replicas of a network, each on two ranks, and what else large runs need.
///
///     mpiexec -n 4 07_data_parallel --partitions 2 --allreduce overlapped --shard-optimizer
///
/// n ranks form n / partitions replicas. They share each batch evenly, and sum their gradients bucket by bucket during
/// the backward pass (overlapped), or after it. With --shard-optimizer each replica keeps Adam's two numbers only for
/// its share of the parameters. The gradients are clipped by their norm over all ranks, and the learning rate rises for
/// a tenth of the steps and then falls.
#include <remat/distributed.hpp>

#include <CLI/CLI.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

namespace nn = remat::nn;
namespace rate = remat::learning_rate;

// clang-format off
using net = remat::sequential<
    remat::named<"features", remat::sequential<
        nn::conv2d<1, 32, 3>, nn::relu, nn::conv2d<32, 64, 3>, nn::relu, nn::max_pool2d<2>, nn::flatten>>,
    remat::named<"classifier", remat::sequential<
        nn::linear<9216, 256>, nn::relu, nn::dropout<>, nn::linear<256, 10>>>>;
// clang-format on
using model = remat::distributed_model<net, remat::image<float, 1, 28, 28>, nn::cross_entropy>;

struct settings {
  std::string data = "/usr/share/datasets/fashion-mnist", allreduce = "overlapped", rank_map = "cluster";
  std::size_t images = 60'000, batch = 128, microbatches = 2, bucket_bytes = std::size_t{1} << 20;
  int partitions = 2, epochs = 1, threads = 0;
  bool shards_optimizer = false;
  float learning_rate = 1e-3f;
  double max_norm = 1;
  std::uint64_t seed = 1;
};

remat::rank_map::setting rank_map_of(const std::string& name) {
  if (name == "cluster") return remat::rank_map::cluster;
  if (name == "spread") return remat::rank_map::spread;
  return remat::rank_map::from_file(name);
}

void train(const remat::mpi::session& mpi, const settings& s) {
  const auto data = remat::image_set::load(s.data, remat::split::train).first(s.images);
  const auto test = remat::image_set::load(s.data, remat::split::test).first(s.images);
  const std::size_t batch = std::min(s.batch, data.size());

  model m{mpi,
          {.seed = s.seed,
           .threads = s.threads,
           .partitions = s.partitions,
           .microbatches = s.microbatches,
           .rank_map = rank_map_of(s.rank_map),
           .allreduce = s.allreduce == "after" ? remat::allreduce::after : remat::allreduce::overlapped,
           .bucket_bytes = s.bucket_bytes,
           .shards_optimizer = s.shards_optimizer}};
  remat::adamw optimizer{{.learning_rate = s.learning_rate, .weight_decay = 0.05f}};
  optimizer.group(remat::is_bias_or_norm, {.weight_decay = 0});
  const std::size_t steps = data.size() / batch * static_cast<std::size_t>(s.epochs);
  const rate::sequence schedule{rate::linear{.steps = steps / 10},
                                rate::cosine{.steps = steps - steps / 10, .to = 0.01}};

  const bool tells = m.rank() == 0;
  const auto begin = std::chrono::steady_clock::now();
  float loss = 0;
  double norm = 0, accuracy = 0;
  for (int epoch = 0; epoch < s.epochs; ++epoch) {
    auto batches = data.batches(
        batch, {.shuffle_seed = s.seed, .epoch = static_cast<std::uint64_t>(epoch), .last = remat::last_batch::drop});
    remat::progress bar("epoch " + std::to_string(epoch + 1), batches.count());
    for (const auto& [images, labels] : batches) {
      loss = m.train_step(images, labels);
      norm = remat::clip_gradients(m, s.max_norm);  // the same on every rank
      if (std::isfinite(norm)) optimizer.step(m, schedule(optimizer.steps()));
      if (tells) bar.step(loss, batch);
    }
    accuracy = m.evaluate(test.batches(250), remat::accuracy{});
    if (tells)
      std::printf("epoch %d: loss %.9g, norm %.9g, test accuracy %.4f\n", epoch + 1, static_cast<double>(loss), norm,
                  accuracy);
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();

  // How many sums of gradients had begun before the last backward pass of the rank was over, in its last step.
  const auto& events = m.trace().events;
  const auto early = static_cast<std::uint64_t>(
      std::ranges::count_if(m.trace().reductions, [&](const auto& r) { return r.begin < events.back().end; }));
  const auto sums = m.of_all_ranks(m.trace().reductions.size());
  const auto overlapped = m.of_all_ranks(early);
  const auto optimizer_bytes = m.of_all_ranks(optimizer.bytes());
  if (!tells) return;
  std::printf("\nrank  partition  replica  sums of gradients  of them during backward  optimizer\n");
  for (int r = 0; r < m.size(); ++r) {
    const auto at = static_cast<std::size_t>(r);
    std::printf("%4d %8d %8d %18llu %24llu %8.2f MB\n", r, m.grid().partition(r), m.grid().replica(r),
                static_cast<unsigned long long>(sums[at]), static_cast<unsigned long long>(overlapped[at]),
                static_cast<double>(optimizer_bytes[at]) / 1e6);
  }
  std::printf("result: partitions=%d replicas=%d loss=%.9g norm=%.9g test_accuracy=%.4f seconds=%.1f\n", m.partitions(),
              m.replicas(), static_cast<double>(loss), norm, accuracy, seconds);
}

int main(int argc, char** argv) {
  remat::mpi::session mpi{argc, argv};
  settings s;
  s.partitions = std::min(s.partitions, mpi.size());
  CLI::App app{"Trains replicas of a network, each in a pipeline, over the ranks of an MPI job"};
  const auto more_than_0 = CLI::PositiveNumber;
  app.add_option("--partitions", s.partitions, "Ranks in the pipeline of a replica")
      ->check(more_than_0)
      ->capture_default_str();
  app.add_option("--microbatches", s.microbatches, "Parts of a replica's share of a batch")
      ->check(more_than_0)
      ->capture_default_str();
  app.add_option("--rank-map", s.rank_map, "Which rank has which stage: cluster, spread, or a file")
      ->capture_default_str();
  app.add_option("--allreduce", s.allreduce, "When gradients are summed over replicas")
      ->check(CLI::IsMember({"overlapped", "after"}))
      ->capture_default_str();
  app.add_option("--bucket-bytes", s.bucket_bytes, "Least bytes of gradients that are summed together")
      ->capture_default_str();
  app.add_flag("--shard-optimizer", s.shards_optimizer,
               "Each replica keeps the optimizer's numbers only for its share of the parameters");
  app.add_option("--max-norm", s.max_norm, "Largest norm of all gradients together")
      ->check(more_than_0)
      ->capture_default_str();
  app.add_option("--learning-rate", s.learning_rate, "Highest learning rate of AdamW")
      ->check(more_than_0)
      ->capture_default_str();
  app.add_option("--data", s.data, "Folder of train-images-idx3-ubyte[.gz] and its companions")->capture_default_str();
  app.add_option("--images", s.images, "Take the first N images")->check(more_than_0)->capture_default_str();
  app.add_option("--epochs", s.epochs, "Passes over the training images")->check(more_than_0)->capture_default_str();
  app.add_option("--batch", s.batch, "Images in a step, of all replicas together")
      ->check(CLI::Range(1, 1 << 20))
      ->capture_default_str();
  app.add_option("--seed", s.seed, "Seed of weights, order and dropout")
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
  train(mpi, s);
}
