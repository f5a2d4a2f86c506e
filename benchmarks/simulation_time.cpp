// SPDX-License-Identifier: MIT
/// How long it takes to say, without running anything, what a step of a long pipeline takes: 64 micro-batches through
/// 2,048 checkpointed blocks of 2 x (linear 16, tanh), with each rank's memory laid out.
///
///     simulation_time [STAGES]
#include <remat/partition/partition.hpp>
#include <remat/partition/simulated_program.hpp>
#include <remat/plan/annotate.hpp>
#include <remat/remat.hpp>
#include <remat/schedule/schedule.hpp>

#include <chrono>
#include <cstdio>
#include <string>
#include <vector>

namespace {

namespace nn = remat::nn;
using block = remat::sequential<nn::linear<16, 16>, nn::tanh, nn::linear<16, 16>, nn::tanh>;

}  // namespace

int main(int argc, char** argv) {
  const int stages = argc > 1 ? std::stoi(argv[1]) : 1024;
  remat::program p = remat::lower<remat::repeat<2048, block>, remat::tensor<float, 16>, nn::mse_loss>();
  annotate(p, {remat::checkpoint_at("", remat::strategy::each{})});
  p = fuse(std::move(p));
  std::vector<int> first;
  for (int stage = 1; stage < stages; ++stage) first.push_back(p.operations.count() * stage / stages);
  assign_stages(p, remat::partition::boundaries(first), {.stages = stages});
  const remat::operation_costs costs = remat::counted_seconds(p, 1, 1e9);
  for (const auto& setting : {remat::schedule::one_f_one_b, remat::schedule::gpipe}) {
    const auto begin = std::chrono::steady_clock::now();
    const auto s = remat::simulate(p, setting.make(stages, 64), costs, {.connection = {1e-6, 1e10}});
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - begin;
    std::printf("%-12s %d stages simulated in %.2f s: a step of %.3g s, %.1f %% of it idle\n",
                std::string(setting.name).c_str(), stages, taken.count(), s.step.seconds, 100 * s.step.bubble());
  }
}
