// SPDX-License-Identifier: MIT
// A program with a network of its size: ResNet-18.
#include "benchmarks/networks.hpp"

#include <cstdint>
#include <vector>

int main() {
  remat::model<benchmarks::resnet18, benchmarks::image, remat::nn::nll_loss> model{{.seed = 1}};
  remat::sgd optimizer;
  const std::vector<float> inputs(4 * 28 * 28);
  const std::vector<std::int32_t> targets(4);
  model.train_step(inputs, targets);
  optimizer.step(model);
}
