// SPDX-License-Identifier: MIT
/// Activations on disk: what the arena takes with and without, and how long a training step takes by the longer of its
/// computing and of its transfers at the bandwidth that was measured of the disk.
///
///     offload [DIRECTORY [THREADS [ROUNDS]]]
///     offload beyond [DIRECTORY [THREADS]]      one step of networks whose activations take 34 GB on the disk, which may
///                                               be more than there is memory; their computing by that of a 16th of them
///
/// The files are read and written without the system's cache, so that they are as slow as they would be if they were
/// larger than memory. Steps that keep and steps that offload are taken in turn; times are medians.
#include "median.hpp"

#include <remat/remat.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

namespace {

namespace nn = remat::nn;

/// Inputs and classes of a batch.
struct samples {
  std::vector<float> x;
  std::vector<std::int32_t> y;

  samples(const remat::network& model, std::size_t batch) : x(model.lowered().tensors[0].elements(batch)), y(batch) {
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i * 2654435761u >> 9 & 1023) / 512 - 1;
    for (std::size_t i = 0; i < batch; ++i) y[i] = static_cast<std::int32_t>(i % 10);
  }
};

double seconds_of_step(remat::network& model, const samples& of) {
  const auto begin = std::chrono::steady_clock::now();
  model.train_step(of.x, of.y);
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

remat::model_options offloading(remat::model_options how, const std::string& directory) {
  how.checkpoints = {remat::checkpoint_at("", remat::save_all{}, remat::offload{directory})};
  return how;
}

void print(const char* name, double kept_bytes, double arena_bytes, double outside_bytes, double computing,
           double transfers, double step) {
  std::printf("%-28s %8.0f %8.0f %6.2f %9.0f %9.1f %9.1f %9.1f %6.2f\n", name, kept_bytes / 1e6, arena_bytes / 1e6,
              arena_bytes / kept_bytes, outside_bytes / 1e6, computing * 1e3, transfers * 1e3, step * 1e3,
              step / std::max(computing, transfers));
}

template <class Net, class Input>
void compare(const char* name, std::size_t batch, const std::string& directory, int threads, std::size_t rounds) {
  const remat::model_options keeps{.seed = 1, .threads = threads};
  remat::model<Net, Input, nn::cross_entropy> kept(keeps), offloaded(offloading(keeps, directory));
  const samples data(kept, batch);
  std::vector<double> with, without;
  for (std::size_t round = 0; round <= rounds; ++round) {
    const double a = seconds_of_step(kept, data), b = seconds_of_step(offloaded, data);
    if (round == 0) continue;  // kernels are made, and room is taken
    without.push_back(a);
    with.push_back(b);
  }
  const double bytes = static_cast<double>(offloaded.plan(batch).outside_bytes);
  print(name, static_cast<double>(kept.reserved().activations), static_cast<double>(offloaded.reserved().activations),
        bytes, benchmarks::median(without), remat::measured_transfer_rate(directory).seconds(bytes),
        benchmarks::median(with));
}

template <std::size_t Width, std::size_t Depth>
using perceptron = remat::sequential<remat::repeat<Depth, remat::sequential<nn::linear<Width, Width>, nn::gelu>>,
                                     nn::linear<Width, 10>>;

/// As many bytes whatever the width, and the more to compute of them.
template <std::size_t Width>
void beyond_memory(const std::string& directory, int threads) {
  constexpr std::size_t batch = 1 << 16, depth = 65536 / Width, parts = 16;
  const remat::model_options keeps{.seed = 1, .threads = threads};
  using input = remat::tensor<float, Width>;
  remat::model<perceptron<Width, depth / parts>, input, nn::cross_entropy> part(keeps);
  const samples data(part, batch);
  seconds_of_step(part, data);
  const double computing = static_cast<double>(parts) * seconds_of_step(part, data);
  remat::model<perceptron<Width, depth>, input, nn::cross_entropy> whole(keeps),
      offloaded(offloading(keeps, directory));
  const double kept_bytes = static_cast<double>(whole.plan(batch).activation_bytes),
               bytes = static_cast<double>(offloaded.plan(batch).outside_bytes);
  seconds_of_step(offloaded, data);
  const double step = seconds_of_step(offloaded, data);
  const std::string name = std::to_string(depth) + " x linear " + std::to_string(Width) + ", gelu";
  print(name.c_str(), kept_bytes, static_cast<double>(offloaded.reserved().activations), bytes, computing,
        remat::measured_transfer_rate(directory).seconds(bytes), step);
}

template <std::size_t Channels>
using convolutions = remat::sequential<
    remat::repeat<16, remat::sequential<nn::conv2d<Channels, Channels, 3, nn::window{.padding = 1}>, nn::relu>>,
    nn::adaptive_avg_pool2d<1>, nn::flatten, nn::linear<Channels, 10>>;

}  // namespace

int main(int count, char** arguments) {
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  std::vector<std::string> given(arguments + 1, arguments + count);
  const bool beyond = !given.empty() && given[0] == "beyond";
  if (beyond) given.erase(given.begin());
  const std::string directory = !given.empty() ? given[0] : remat::temporary_directory();
  const int threads = given.size() > 1 ? std::atoi(given[1].c_str()) : 0;
  const std::size_t rounds = given.size() > 2 ? static_cast<std::size_t>(std::atoi(given[2].c_str())) : 5;
  const remat::transfer_rate rate = remat::measured_transfer_rate(directory);
  std::printf("%s: %.0f MB/s written, %.0f MB/s read, %s the system's cache\n", directory.c_str(), rate.write / 1e6,
              rate.read / 1e6, remat::unlinked_file(directory).is_direct() ? "without" : "through");
  std::printf("%-28s %8s %8s %6s %9s %9s %9s %9s %6s\n", "", "keep", "offload", "by", "on disk", "computing",
              "transfers", "step", "by");
  std::printf("%-28s %8s %8s %6s %9s %9s %9s %9s %6s\n", "", "MB", "MB", "keep", "MB", "ms", "ms", "ms", "longer");
  if (beyond) {
    beyond_memory<64>(directory, threads);
    beyond_memory<128>(directory, threads);
    beyond_memory<256>(directory, threads);
    return 0;
  }
  compare<perceptron<64, 16>, remat::tensor<float, 64>>("16 x linear 64, gelu", 1 << 16, directory, threads, rounds);
  compare<perceptron<2048, 16>, remat::tensor<float, 2048>>("16 x linear 2048, gelu", 1024, directory, threads, rounds);
  compare<convolutions<64>, remat::image<float, 64, 56, 56>>("16 x conv 64, relu", 32, directory, threads, rounds);
  compare<convolutions<16>, remat::image<float, 16, 112, 112>>("16 x conv 16, relu", 32, directory, threads, rounds);
}
