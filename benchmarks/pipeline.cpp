// SPDX-License-Identifier: MIT
// Pipelines and replicas on this machine, measured in pairs: mpiexec -n 2 build/release/benchmarks/pipeline
//
//   speed-up      a chain of 16 equal blocks on 2 ranks x 1 thread against the same model on 1 rank x 1 thread, which the
//                 other rank sleeps through; next to the ideal of the schedule, m p / (m + bubble): p - 1 micro-batches,
//                 or a third of them where backward is halved, as if each of its three passes took the same time; and next
//                 to what the costs of this run allow: both ranks measure each operation at once, as they will compute, and
//                 the schedule is simulated with messages that take no time
//   cores         the batch on all of these cores: by that pipeline, by one rank's threads in micro-batches, and by one
//                 rank's threads at once; where ranks may use all cores (mpiexec -bind-to none)
//   all-reduce    2 replicas, sums overlapped with backward against sums after it
//
// A pair is one step of each side, one after the other; medians of the ratios are printed. Arguments: samples of a
// micro-batch (64), pairs (9), and a part of the names of the schedules that are to run, alone.
#include "median.hpp"
#include "timed_chain.hpp"

#include <cstdio>
#include <string>
#include <thread>
#include <vector>

namespace {

using namespace benchmarks;
constexpr std::size_t microbatches = 8;

struct configuration {
  const char* name;
  remat::pipeline_schedule schedule;
  remat::checkpoints checkpoints = remat::checkpoints::none();
  bool recomputes_early = true;
};

/// What equal stages whose passes take the same time reach, from the schedule's nominal clock.
double ideal_of(const remat::pipeline_schedule& schedule, int ranks) {
  const remat::schedule_clock clock = remat::nominal_clock(schedule.table(ranks, static_cast<int>(microbatches)));
  return ranks * (1 - clock.bubble());
}

/// As many blocks on each stage; the loss is on the last.
remat::partition::setting equal_blocks(std::int64_t stages) {
  std::vector<int> firsts;
  for (std::int64_t s = 1; s < stages; ++s) firsts.push_back(static_cast<int>(16 * s / stages));
  return remat::partition::boundaries(firsts);
}

/// Three ways to train on as many cores as there are ranks.
void compare_ways(remat::mpi::session& mpi, const std::vector<float>& x, const std::vector<float>& y, int rounds) {
  const int cores = mpi.size();
  if (std::thread::hardware_concurrency() < static_cast<unsigned>(cores)) {
    if (mpi.rank() == 0) std::printf("cores: not compared, since each rank is bound to fewer; mpiexec -bind-to none\n");
    return;
  }
  remat::model<net, input, nn::mse_loss> whole{{.seed = 1, .threads = cores}},
      parts{{.seed = 1, .threads = cores, .microbatches = microbatches}};
  remat::distributed_model<net, input, nn::mse_loss> pipeline{mpi,
                                                              {.seed = 1,
                                                               .threads = 1,
                                                               .microbatches = microbatches,
                                                               .partition = equal_blocks(mpi.size()),
                                                               .logs_partition = false}};
  std::vector<double> at_once, in_parts, in_pipeline;
  for (int round = -2; round < rounds; ++round) {
    meet(mpi);
    const double first = mpi.rank() == 0 ? seconds_of([&] { whole.train_step(x, y); }) : 0;
    const double second = mpi.rank() == 0 ? seconds_of([&] { parts.train_step(x, y); }) : 0;
    meet(mpi);
    const double third = seconds_of([&] { pipeline.train_step(x, y); });
    if (round < 0) continue;
    at_once.push_back(first);
    in_parts.push_back(second);
    in_pipeline.push_back(third);
  }
  if (mpi.rank() == 0)
    std::printf(
        "cores: %zu samples on %d: pipeline of %d ranks x 1 thread, %zu micro-batches %.1f ms; 1 rank x %d threads, "
        "%zu micro-batches %.1f ms, the whole batch %.1f ms\n",
        x.size() / width, cores, cores, microbatches, 1e3 * median(in_pipeline), cores, microbatches,
        1e3 * median(in_parts), 1e3 * median(at_once));
}

}  // namespace

int main(int argc, char** argv) {
  remat::mpi::session mpi{argc, argv};
  const std::size_t micro = argc > 1 ? std::stoul(argv[1]) : 64;
  const int pairs = argc > 2 ? std::stoi(argv[2]) : 9;
  const std::size_t batch = micro * microbatches;
  const std::vector<float> x = numbers(batch * width), y = numbers(batch * width);
  namespace strategy = remat::strategy;
  const configuration configurations[] = {
      {"gpipe, save_all", remat::schedule::gpipe},
      {"one_f_one_b, save_all", remat::schedule::one_f_one_b},
      {"zero_bubble, save_all", remat::schedule::zero_bubble},
      {"interleaved<2>, save_all", remat::schedule::interleaved<2>},
      {"gpipe, group<4>", remat::schedule::gpipe, {remat::checkpoint_at("blocks", strategy::group<4>{})}},
      {"one_f_one_b, group<4>", remat::schedule::one_f_one_b, {remat::checkpoint_at("blocks", strategy::group<4>{})}},
      {"zero_bubble, group<4>", remat::schedule::zero_bubble, {remat::checkpoint_at("blocks", strategy::group<4>{})}},
      {"one_f_one_b, group<4>, late",
       remat::schedule::one_f_one_b,
       {remat::checkpoint_at("blocks", strategy::group<4>{})},
       false},
  };
  for (const configuration& c : configurations) {
    if (argc > 3 && std::string(c.name).find(argv[3]) == std::string::npos) continue;
    const double ideal = ideal_of(c.schedule, mpi.size());
    remat::model<net, input, nn::mse_loss> one{
        {.seed = 1, .threads = 1, .checkpoints = c.checkpoints, .microbatches = microbatches}};
    remat::distributed_model<net, input, nn::mse_loss> model{mpi,
                                                             {.seed = 1,
                                                              .threads = 1,
                                                              .checkpoints = c.checkpoints,
                                                              .microbatches = microbatches,
                                                              .schedule = c.schedule,
                                                              .partition = equal_blocks(c.schedule.stages(mpi.size())),
                                                              .recomputes_early = c.recomputes_early,
                                                              .logs_partition = false}};
    std::vector<double> ratios, alone, together, waited;
    for (int pair = -2; pair < pairs; ++pair) {
      meet(mpi);
      const double single = mpi.rank() == 0 ? seconds_of([&] { one.train_step(x, y); }) : 0;
      meet(mpi);
      const double both = seconds_of([&] { model.train_step(x, y); });
      if (pair < 0) continue;
      alone.push_back(single);
      together.push_back(both);
      ratios.push_back(single / both);
      waited.push_back(model.trace().waited);
    }
    // What the simulator says, of costs that both ranks measure at once, as they will compute.
    const remat::operation_costs costs = remat::profile(mpi, one, micro, {.runs = 5, .accumulates = true});
    const remat::simulated_program simulated = remat::simulate(
        model.lowered(), model.schedule(), costs, {.connection = {1e-6, 8e9}, .early_recompute = c.recomputes_early});
    const remat::simulated_program allowed = remat::simulate(
        model.lowered(), model.schedule(), costs, {.connection = {0, 1e15}, .early_recompute = c.recomputes_early});
    if (mpi.rank() == 0)
      std::printf(
          "%-28s 1 rank %7.2f ms, %d ranks %7.2f ms: speed-up %.3f, %.3f of the ideal %.3f, %.3f of what "
          "measured costs allow; simulated %7.2f ms (%+.1f "
          "%%), "
          "recomputation hidden %.0f %%; rank 0 waits %.2f ms\n",
          c.name, 1e3 * median(alone), mpi.size(), 1e3 * median(together), median(ratios), median(ratios) / ideal,
          ideal, allowed.step.seconds / median(together), 1e3 * simulated.step.seconds,
          100 * (simulated.step.seconds / median(together) - 1), 100 * simulated.step.hidden_recompute(),
          1e3 * median(waited));
  }
  if (argc > 3) return 0;  // the configurations whose name has this in it, alone
  compare_ways(mpi, x, y, pairs);
  {
    using options = remat::distributed_options;
    const options how{.seed = 1, .threads = 1, .partitions = 1, .microbatches = 2, .logs_partition = false};
    options after = how;
    after.allreduce = remat::allreduce::after;
    remat::distributed_model<net, input, nn::mse_loss> a{mpi, how}, b{mpi, after};
    std::vector<double> ratios, overlapped, late;
    for (int pair = -2; pair < 15; ++pair) {
      meet(mpi);
      const double first = seconds_of([&] { a.train_step(x, y); });
      meet(mpi);
      const double second = seconds_of([&] { b.train_step(x, y); });
      if (pair < 0) continue;
      ratios.push_back(first / second);
      overlapped.push_back(first);
      late.push_back(second);
    }
    std::size_t early = 0, all = 0;
    for (const auto& r : a.trace().reductions) {
      all += r.bytes;
      if (r.begin < a.trace().last_backward) early += r.bytes;
    }
    if (mpi.rank() == 0)
      std::printf(
          "all-reduce at %d replicas: overlapped %.2f ms, after %.2f ms, ratio %.3f; %.2f of %.2f MB begin before the "
          "last backward action\n",
          mpi.size(), 1e3 * median(overlapped), 1e3 * median(late), median(ratios), static_cast<double>(early) / 1e6,
          static_cast<double>(all) / 1e6);
  }
}
