// SPDX-License-Identifier: MIT
/// The smallest program of a user: a model that the compiler measures, trained for one step.
#include <remat/remat.hpp>

#include <array>
#include <cstdint>

namespace nn = remat::nn;

using net = remat::sequential<nn::linear<4, 8>, nn::relu, nn::linear<8, 2>, nn::log_softmax>;
using input = remat::tensor<float, 4>;
using loss = nn::nll_loss;
static_assert(remat::peak_activation_bytes<net, input, loss>(2) > 0);

int main() {
  const std::array<float, 8> samples{1, 0, 0, 0, 0, 0, 0, 1};
  const std::array<std::int32_t, 2> labels{0, 1};

  remat::model<net, input, loss> model{{.seed = 1}};
  remat::sgd optimizer{{.learning_rate = 0.1f}};
  const float before = model.train_step(samples, labels);
  optimizer.step(model);
  return model.train_step(samples, labels) < before ? 0 : 1;
}
