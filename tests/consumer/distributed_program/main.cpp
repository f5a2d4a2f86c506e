// SPDX-License-Identifier: MIT
/// The smallest program of a user with several ranks: a model in a pipeline of all of them, trained for one step.
#include <remat/distributed.hpp>

#include <array>
#include <cstdint>

namespace nn = remat::nn;

using net = remat::sequential<nn::linear<4, 8>, nn::relu, nn::linear<8, 2>, nn::log_softmax>;

int main(int argc, char** argv) {
  const std::array<float, 8> samples{1, 0, 0, 0, 0, 0, 0, 1};
  const std::array<std::int32_t, 2> labels{0, 1};

  remat::mpi::session mpi{argc, argv};
  remat::distributed_model<net, remat::tensor<float, 4>, nn::nll_loss> model{mpi, {.seed = 1, .microbatches = 2}};
  remat::sgd optimizer{{.learning_rate = 0.1f}};
  const float before = model.train_step(samples, labels);
  optimizer.step(model);
  return mpi.size() == 2 && model.train_step(samples, labels) < before ? 0 : 1;
}
