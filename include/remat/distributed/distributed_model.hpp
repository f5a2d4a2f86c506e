// SPDX-License-Identifier: MIT
/// A distributed model: a distributed network whose type says what it is.
///
///     remat::mpi::session mpi{argc, argv};
///     remat::distributed_model<net, input, loss> model{mpi, {.partitions = 4, .microbatches = 8}};
///     float value = model.train_step(images, labels);
///     optimizer.step(model);
///
/// The loop is that of `model`, on every rank. See distributed_options.hpp for what can be chosen.
#pragma once

#include <remat/distributed/distributed_network.hpp>
#include <remat/model/lower.hpp>

namespace remat {

template <class Net, class Input, class Loss = no_loss>
class distributed_model : public distributed_network {
 public:
  explicit distributed_model(const mpi::session& session, const distributed_options& options = {})
      : distributed_network(session, lower<Net, Input, Loss>(), options) {}
};

/// A distributed model of values, as `make_model` makes one of a process.
template <Module Net, class Input, class Loss = no_loss>
distributed_model<Net, Input, Loss> make_distributed_model(const mpi::session& session, Net, Input, Loss = {},
                                                           const distributed_options& options = {}) {
  return distributed_model<Net, Input, Loss>(session, options);
}

}  // namespace remat
