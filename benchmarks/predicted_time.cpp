// SPDX-License-Identifier: MIT
/// How well a profile predicts what a checkpoint costs: the time of a step with it over the time without, as predicted
/// from a profile of the plain model and as measured, steps of both in turn.
///
///     predicted_time NETWORK THREADS ROUNDS
#include "median.hpp"
#include "networks.hpp"

#include <remat/check/profile.hpp>

#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

remat::network make(const benchmarks::network& chosen, int threads, remat::checkpoints checkpoints) {
  remat::network model(chosen.lower(), {.seed = 1, .threads = threads, .checkpoints = std::move(checkpoints)});
  if (chosen.initialise != nullptr) chosen.initialise(model.parameters());
  return model;
}

double seconds_of_step(remat::network& model, const remat::detail::random_inputs& inputs) {
  const auto begin = std::chrono::steady_clock::now();
  model.train_on(inputs.sources());
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

void compare(const benchmarks::network& chosen, int threads, std::size_t rounds) {
  using remat::checkpoint_at, remat::strategy::contiguous, remat::strategy::each, remat::strategy::group;
  // Two networks are a repeat in front of a small head.
  const bool has_head = chosen.name == "mlp" || chosen.name == "chain";
  const std::string_view path = has_head ? "0" : "";
  const std::pair<const char*, checkpoint_at> policies[] = {
      {"contiguous", checkpoint_at(std::string(path))},
      {"each", checkpoint_at(std::string(path), each{})},
      {"group<3>", checkpoint_at(std::string(path), group<3>{})},
      {"square_root", checkpoint_at(std::string(path), contiguous{}, remat::square_root{})}};

  remat::network plain = make(chosen, threads, {});
  const remat::detail::random_inputs inputs(plain.lowered(), chosen.batch);
  const remat::operation_costs costs = remat::profile(plain, chosen.batch, {.runs = rounds});
  const double without = remat::predicted_cost(remat::plan_training(plain.lowered(), chosen.batch), costs);
  for (const auto& [name, checkpoint] : policies) {
    remat::network model = make(chosen, threads, {checkpoint});
    seconds_of_step(model, inputs);
    std::vector<double> ratios;
    for (std::size_t i = 0; i < rounds; ++i) {
      const double before = seconds_of_step(plain, inputs);
      ratios.push_back(seconds_of_step(model, inputs) / before);
    }
    const double measured = benchmarks::median(ratios);
    const double predicted =
        remat::predicted_cost(remat::plan_training(model.lowered(), chosen.batch), costs) / without;
    std::printf("%-22s %-12s measured %.3f  predicted %.3f  %+.1f %%\n", std::string(chosen.name).c_str(), name,
                measured, predicted, 100 * (predicted / measured - 1));
    std::fflush(stdout);
  }
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view name = argc == 4 ? argv[1] : "", count = argc == 4 ? argv[2] : "",
                         times = argc == 4 ? argv[3] : "";
  int threads = 0;
  std::size_t rounds = 0;
  std::from_chars(count.data(), count.data() + count.size(), threads);
  std::from_chars(times.data(), times.data() + times.size(), rounds);
  for (const benchmarks::network& each : benchmarks::networks)
    if (each.name == name && threads > 0 && rounds > 0) return compare(each, threads, rounds), 0;
  std::fprintf(stderr, "usage: predicted_time NETWORK THREADS ROUNDS; see networks.hpp for the networks\n");
  return 2;
}
