// SPDX-License-Identifier: MIT
// Recomputation in the bubble, measured: mpiexec -n 2 build/release/benchmarks/bubbles
//
// A chain of 16 equal blocks, whose first stages are short, so that they wait for the last one. The first stages have a
// budget of a share of what they hold without one; the last keeps everything. In turn, a step each:
//
//     save_all      no checkpoint
//     in bubbles    the budgets choose by where the stages wait
//     alone         each budget as if its stage were alone
//
// Medians of the ratios to save_all are printed, next to what the simulator says of costs that both ranks measure at
// once, and the bytes of rank 0. Arguments: samples of a micro-batch (128), steps (15), and the number of a
// configuration that is to run, alone.
#include "median.hpp"
#include "timed_chain.hpp"

#include <cstdio>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

namespace {

using namespace benchmarks;
using model_type = remat::distributed_model<net, input, nn::mse_loss>;

/// On 2 ranks, 6 and 10 blocks; on more, the last stage has as many in addition to its share.
remat::partition::setting short_first_stages(int stages) {
  std::vector<int> firsts;
  for (int s = 1; s < stages; ++s) firsts.push_back(12 * s / stages);
  return remat::partition::boundaries(firsts);
}

struct configuration {
  remat::pipeline_schedule schedule;
  std::size_t microbatches;
  double share;
};

}  // namespace

int main(int argc, char** argv) {
  remat::mpi::session mpi{argc, argv};
  const std::size_t micro = argc > 1 ? std::stoul(argv[1]) : 128;
  const int steps = argc > 2 ? std::stoi(argv[2]) : 15;
  const configuration configurations[] = {
      {remat::schedule::one_f_one_b, 2, 0.75}, {remat::schedule::one_f_one_b, 8, 0.9},
      {remat::schedule::one_f_one_b, 8, 0.75}, {remat::schedule::gpipe, 8, 0.75},
      {remat::schedule::gpipe, 8, 0.5},        {remat::schedule::zero_bubble, 8, 0.75}};
  // What ranks measure at once, as they will compute.
  remat::model<net, input, nn::mse_loss> one{{.seed = 1, .threads = 1}};
  const remat::operation_costs costs = remat::profile(mpi, one, micro, {.runs = 5, .accumulates = true});
  for (std::size_t number = 0; number < std::size(configurations); ++number) {
    if (argc > 3 && std::stoul(argv[3]) != number) continue;
    const configuration& c = configurations[number];
    const std::size_t batch = micro * c.microbatches;
    const std::vector<float> x = numbers(batch * width), y = numbers(batch * width);
    std::vector<remat::checkpoint_on_stage> budgets;
    for (int s = 0; s + 1 < mpi.size(); ++s) budgets.emplace_back(s, remat::budget{remat::share_of_save_all(c.share)});
    budgets.emplace_back(mpi.size() - 1, remat::save_all{});
    const auto made = [&](bool has_budget, bool in_bubbles) {
      remat::distributed_options how{
          .seed = 1, .threads = 1, .checkpoints = remat::checkpoints::none(), .costs = costs};
      if (has_budget) how.checkpoints = {remat::checkpoint_at("blocks")}, how.stage_policies = budgets;
      how.microbatches = c.microbatches;
      how.schedule = c.schedule;
      how.partition = short_first_stages(mpi.size());
      how.recomputes_in_bubbles = in_bubbles;
      how.logs_partition = false;
      return std::make_unique<model_type>(mpi, how);
    };
    const std::unique_ptr<model_type> models[] = {made(false, true), made(true, true), made(true, false)};
    std::vector<double> seconds[3], ratios[3];
    for (int step = -2; step < steps; ++step) {
      double now[3];
      for (int k = 0; k < 3; ++k) {
        meet(mpi);
        now[k] = seconds_of([&] { models[k]->train_step(x, y); });
      }
      for (int k = 0; k < 3 && step >= 0; ++k) {
        seconds[k].push_back(now[k]);
        ratios[k].push_back(now[k] / now[0]);
      }
    }
    remat::simulated_program simulated[3];
    for (int k = 0; k < 3; ++k) simulated[k] = models[k]->simulate(costs, {.connection = {1e-6, 8e9}});
    if (mpi.rank() != 0) continue;
    std::printf("%-12s %zu micro-batches of %zu, budget %.2f: save_all %.2f ms, %.2f MB;",
                std::string(c.schedule.name()).c_str(), c.microbatches, micro, c.share, 1e3 * median(seconds[0]),
                static_cast<double>(simulated[0].ranks[0].activations) / 1e6);
    for (int k = 1; k < 3; ++k)
      std::printf(" %s %.3f of it (simulated %.3f), %.2f MB%s", k == 1 ? "in bubbles" : "alone", median(ratios[k]),
                  simulated[k].step.seconds / simulated[0].step.seconds,
                  static_cast<double>(simulated[k].ranks[0].activations) / 1e6, k == 1 ? ";" : "\n");
  }
}
