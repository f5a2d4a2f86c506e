// SPDX-License-Identifier: MIT
/// What micro-batches cost: the time of a training step (forward, loss, backward) on a batch in parts, by that of the
/// same step on the whole batch, both in turn, and where the difference is.
///
///     microbatch_time THREADS [ROUNDS]
///
/// The network is an MLP of 16 x (linear 1024-1024, relu) at a batch of 512. The second table is a profile of each
/// part's kernels, summed up over the parts: forward, the gradient of the inputs, that of the parameters.
#include "median.hpp"

#include <remat/check/profile.hpp>
#include <remat/remat.hpp>

#include <chrono>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <vector>

namespace {

namespace nn = remat::nn;

using net = remat::repeat<16, remat::sequential<nn::linear<1024, 1024>, nn::relu>>;

constexpr std::size_t batch = 512;
constexpr std::size_t parts[] = {1, 2, 4, 8};

double milliseconds_of_step(remat::network& model, const remat::detail::random_inputs& inputs) {
  const auto begin = std::chrono::steady_clock::now();
  model.train_on(inputs.sources());
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count();
}

struct sums {
  double forward = 0, input = 0, parameters = 0;

  void add(const remat::operation_costs& costs, double times) {
    for (const remat::operation_cost& each : costs.operations) {
      forward += each.forward * times * 1e3;
      input += (each.backward_input + each.differentiate) * times * 1e3;
      parameters += each.backward_parameters * times * 1e3;
    }
  }
};

void compare(int threads, std::size_t rounds) {
  std::vector<remat::network> models;
  for (const std::size_t count : parts)
    models.emplace_back(remat::lower<net, remat::tensor<float, 1024>, nn::mse_loss>(),
                        remat::model_options{.seed = 1, .threads = threads, .microbatches = count});
  const remat::detail::random_inputs inputs(models[0].lowered(), batch);
  for (remat::network& model : models) milliseconds_of_step(model, inputs);

  std::vector<std::vector<double>> times(models.size()), ratios(models.size());
  for (std::size_t round = 0; round < rounds; ++round)
    for (std::size_t i = 0; i < models.size(); ++i) {
      times[i].push_back(milliseconds_of_step(models[i], inputs));
      ratios[i].push_back(times[i].back() / times[0].back());
    }
  std::printf("threads parts     ms  ratio\n");
  for (std::size_t i = 0; i < models.size(); ++i)
    std::printf("%7d %5zu %6.1f  %.3f\n", threads, parts[i], benchmarks::median(times[i]),
                benchmarks::median(ratios[i]));

  std::printf("parts forward  input  parameters (ms of kernels, all parts)\n");
  for (std::size_t i = 0; i < models.size(); ++i) {
    sums all;
    all.add(remat::profile(models[i], batch / parts[i], {.runs = rounds}), 1);
    if (parts[i] > 1)
      all.add(remat::profile(models[i], batch / parts[i], {.runs = rounds, .accumulates = true}),
              static_cast<double>(parts[i] - 1));
    std::printf("%5zu %7.1f %6.1f %11.1f\n", parts[i], all.forward, all.input, all.parameters);
  }
}

}  // namespace

int main(int argc, char** argv) {
  const int threads = argc > 1 ? std::atoi(argv[1]) : 0, rounds = argc > 2 ? std::atoi(argv[2]) : 9;
  if (argc > 3 || threads < 1 || rounds < 1) {
    std::fprintf(stderr, "usage: microbatch_time THREADS [ROUNDS]\n");
    return 2;
  }
  compare(threads, static_cast<std::size_t>(rounds));
}
