// SPDX-License-Identifier: MIT
/// A model: a network whose type says what it is.
///
///     remat::model<net, input, loss> model{{.seed = 1}};
///     float value = model.train_step(images, labels);   // forward, loss, backward
///     optimizer.step(model);
///     auto outputs = model.predict(images);
///
/// Every member runs the same program; see network.hpp for what they do and throw. Example 01 shows it whole.
#pragma once

#include <remat/core/compilation.hpp>
#include <remat/run/network.hpp>

#include <concepts>
#include <cstddef>
#include <utility>

namespace remat {

inline namespace REMAT_COMPILATION {

template <class Net, class Input, class Loss = no_loss>
class model : public network {
 public:
  explicit model(const model_options& options = {}) : network(lower<Net, Input, Loss>(), options) {}
  /// On the parameters of another model that has the same ones, for example with a larger input.
  explicit model(const network& other, const model_options& options = {})
      : network(lower<Net, Input, Loss>(), options, other) {}

  model(model&&) noexcept = default;
  model& operator=(model&&) noexcept = default;
  // A model is not copied: clone() makes a deep copy, model(other, options) another model on the same parameters.
  model(const model&) = delete;
  model& operator=(const model&) = delete;
  /// The same, said for what users write most: `model n = m;`.
  template <std::same_as<model> Other>
  model(Other& other) : network(lower<Net, Input, Loss>(), model_options{}, other) {
    static_assert(!std::same_as<Other, model>,
                  "remat: a model is not copied; use m.clone() for a deep copy, or model(m, options) for another model "
                  "on the same parameters");
  }

  /// A deep copy; see network.hpp.
  model clone() const { return model(network::clone(), network::cloned{}); }

  /// What a training step reserves and uses for activations, under the checkpoints in the type.
  static constexpr std::size_t peak_activation_bytes(std::size_t batch) {
    return remat::peak_activation_bytes<Net, Input, Loss>(batch);
  }
  /// Of a batch in the type: `peak_activation_bytes<64>()`.
  template <std::size_t Batch>
  static constexpr std::size_t peak_activation_bytes() {
    return remat::peak_activation_bytes<Net, Input, Loss, Batch>();
  }

  /// What a training step that updates the parameters, in one micro-batch, reserves and uses for their gradients.
  static constexpr std::size_t peak_gradient_bytes(std::size_t batch) {
    return remat::peak_gradient_bytes<Net, Input, Loss>(batch);
  }

 private:
  model(network&& made, network::cloned) : network(std::move(made)) {}
};

}  // namespace REMAT_COMPILATION

/// A model of values: `make_model(net, tensor<float, 784>{}, nn::nll_loss{}, {.seed = 1})`.
template <Module Net, class Input, class Loss = no_loss>
model<Net, Input, Loss> make_model(Net, Input, Loss = {}, const model_options& options = {}) {
  return model<Net, Input, Loss>(options);
}

}  // namespace remat
