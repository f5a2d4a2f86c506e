// SPDX-License-Identifier: MIT
// The threads of ranks: how many there are, and what they compute together.
#include "training.hpp"

#include <remat/distributed.hpp>

#include <catch2/catch.hpp>

#include <sched.h>
#include <unistd.h>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <vector>

namespace threads_tests {

namespace nn = remat::nn;

TEST_CASE("a host has the cores of all threads of a rank, also where OpenMP has bound the first one") {
  cpu_set_t all;
  CPU_ZERO(&all);
  std::mutex taking_turns;
#pragma omp parallel num_threads(static_cast <int>(sysconf(_SC_NPROCESSORS_CONF)))
  {
    cpu_set_t own;
    CPU_ZERO(&own);
    sched_getaffinity(0, sizeof own, &own);
    const std::lock_guard lock(taking_turns);
    CPU_OR(&all, &all, &own);
  }
  const double quota = remat::mpi::cpu_quota();
  INFO("the quota is " << quota);
  CHECK(session().this_host().cores >= 1);
  if (quota == 0 || quota >= CPU_COUNT(&all)) CHECK(session().this_host().cores >= CPU_COUNT(&all));
}

TEST_CASE("ranks of two threads give the bits of one process of two threads") {
  using net = remat::sequential<nn::linear<64, 512>, nn::tanh, nn::layer_norm<512>, nn::dropout<>, nn::linear<512, 512>,
                                nn::relu, nn::linear<512, 8>>;
  const remat::program lowered = remat::lower<net, remat::tensor<float, 64>, nn::cross_entropy>();
  const std::size_t batch = 64;
  std::vector<float> x(64 * batch);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>((i * 2654435761u >> 8) % 2048) / 1024 - 1;
  std::vector<std::int32_t> y(batch);
  for (std::size_t i = 0; i < batch; ++i) y[i] = static_cast<std::int32_t>(i % 8);
  remat::network one(lowered, {.seed = 5, .threads = 2, .microbatches = 2});
  const outcome expected = train_twice(one, x, y);
  for (const remat::checkpoints& each : {remat::checkpoints::none(), remat::checkpoints{remat::checkpoint_at("")}}) {
    remat::distributed_network model(
        session(), lowered, {.seed = 5, .threads = 2, .checkpoints = each, .microbatches = 2, .logs_partition = false});
    check_same(train_twice(model, x, y), expected);
  }
}

}  // namespace threads_tests
