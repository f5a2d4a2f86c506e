// SPDX-License-Identifier: MIT
/// remat's side of `benchmarks/run --memory`: what a training step of a GPT allocates under several checkpoints,
/// without parameters and their gradients.
///
///     gpt_memory [threads]
///
/// The GPT is that of networks.hpp, and reads 8 sequences of 256 tokens; a last row is of 1 sequence of 4,096. Bytes
/// are all that the arena reserves: activations, packed weights, scratch. Times are medians of 5 steps, taken in turn.
#include "networks.hpp"

#include <remat/remat.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <random>
#include <string>
#include <vector>

namespace {

namespace nn = remat::nn;
using benchmarks::gpt_of, benchmarks::vocabulary, benchmarks::width;

template <std::size_t T>
remat::program without_head() {
  return remat::lower<gpt_of<T>, remat::tensor<std::int32_t, T>, benchmarks::token_loss>();
}
remat::program with_head() {
  return remat::lower<remat::sequential<gpt_of<256>, nn::linear<width, vocabulary>>, remat::tensor<std::int32_t, 256>,
                      nn::cross_entropy>();
}

struct row {
  const char* name;
  remat::program (*lower)();
  std::size_t batch, tokens;
  remat::checkpoints checkpoints = remat::checkpoints::none();
  std::unique_ptr<remat::network> model = nullptr;
  std::vector<double> milliseconds = {};

  void step(std::mt19937& random) {
    std::vector<std::int32_t> x(batch * tokens), y(batch * tokens);
    for (std::vector<std::int32_t>* each : {&x, &y})
      for (std::int32_t& token : *each) token = static_cast<std::int32_t>(random() % vocabulary);
    const auto begin = std::chrono::steady_clock::now();
    model->train_step(x, y);
    milliseconds.push_back(std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count());
  }
};

}  // namespace

int main(int argc, char** argv) {
  const int threads = argc > 1 ? std::stoi(argv[1]) : 1;
  const remat::checkpoints blocks{remat::checkpoint_at("h", remat::strategy::each{})},
      blocks_before_head{remat::checkpoint_at("0.h", remat::strategy::each{})},
      products{remat::checkpoint_at("h", remat::strategy::each{},
                                    remat::save_only<remat::kind<"linear">, remat::kind<"attention">>{})};
  std::vector<row> rows;
  rows.push_back({"save_all, linear_cross_entropy", &without_head<256>, 8, 256});
  rows.push_back({"save_all, separate head", &with_head, 8, 256});
  rows.push_back({"save products and attention", &without_head<256>, 8, 256, products});
  rows.push_back({"each block checkpointed", &without_head<256>, 8, 256, blocks});
  rows.push_back({"each block, separate head", &with_head, 8, 256, blocks_before_head});
  rows.push_back({"each block, T 4096, batch 1", &without_head<4096>, 1, 4096, blocks});
  std::mt19937 random(1);
  for (row& r : rows)
    r.model = std::make_unique<remat::network>(
        r.lower(), remat::model_options{.seed = 1, .threads = threads, .checkpoints = r.checkpoints});
  for (int turn = 0; turn < 6; ++turn)
    for (row& r : rows) {
      r.step(random);
      if (turn == 0) r.milliseconds.clear();  // plans are made in it
    }
  for (row& r : rows) {
    std::ranges::sort(r.milliseconds);
    const remat::regions& used = r.model->reserved();
    std::printf("%-34s%10.2f MB  (activations %.2f, packed %.2f, scratch %.2f)%10.1f ms\n", r.name,
                static_cast<double>(used.total()) / 1e6, static_cast<double>(used.activations) / 1e6,
                static_cast<double>(used.packed) / 1e6, static_cast<double>(used.scratch) / 1e6,
                r.milliseconds[r.milliseconds.size() / 2]);
  }
}
