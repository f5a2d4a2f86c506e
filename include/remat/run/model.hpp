// SPDX-License-Identifier: MIT
/// A model: a network whose type says what it is.
///
///     remat::model<net, input, loss> model{{.seed = 1}};
///     float value = model.train_step(images, labels);   // forward, loss, backward
///     optimizer.step(model);
///     auto outputs = model.predict(images);
///
/// The same program runs behind every member; see network.hpp for what they do and throw. Example 01 shows it whole.
#pragma once

#include <remat/run/network.hpp>

namespace remat {

template <class Net, class Input, class Loss = no_loss>
class model : public network {
 public:
  explicit model(const model_options& options = {}) : network(lower<Net, Input, Loss>(), options) {}
  /// On the parameters of another model that has the same ones, for example with a larger input.
  explicit model(const network& other, const model_options& options = {})
      : network(lower<Net, Input, Loss>(), options, other) {}

  /// What a training step reserves and uses for activations, under the checkpoints in the type.
  static constexpr std::size_t peak_activation_bytes(std::size_t batch) {
    return remat::peak_activation_bytes<Net, Input, Loss>(batch);
  }
};

/// A model of values: `make_model(net, tensor<float, 784>{}, nn::nll_loss{}, {.seed = 1})`.
template <Module Net, class Input, class Loss = no_loss>
model<Net, Input, Loss> make_model(Net, Input, Loss = {}, const model_options& options = {}) {
  return model<Net, Input, Loss>(options);
}

}  // namespace remat
