// SPDX-License-Identifier: MIT
/// The parameters and states of the operation that gives the loss, on every rank: copies of those of replica 0's rank
/// that runs it. Weights of classes are such.
#pragma once

#include <remat/distributed/agreement.hpp>
#include <remat/distributed/distributed_blueprint.hpp>
#include <remat/distributed/model_ranks.hpp>
#include <remat/distributed/mpi.hpp>
#include <remat/run/begin_metric.hpp>
#include <remat/run/parameter_store.hpp>

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

namespace remat {

class loss_on_ranks {
 public:
  loss_on_ranks(const distributed_blueprint& b, parameter_store& store, const model_ranks& ranks, const agreement& all)
      : blueprint_(&b), store_(&store), ranks_(&ranks), all_(&all) {}

  /// Whether there is anything to share.
  bool has_tensors() const {
    return blueprint_->checkpointed.loss != core::none && loss().parameters + loss().states > 0;
  }
  /// Collective. Sends the states.
  std::span<float>* share_states() {
    const program& p = blueprint_->checkpointed;
    return share(states_, loss().states, loss().first_state, p.states, [&](int slot) { return *store_->states(slot); });
  }
  /// Collective. Sends both.
  detail::loss_tensors share() {
    if (!has_tensors()) return {};
    const program& p = blueprint_->checkpointed;
    std::span<float>* const parameters = share(parameters_, loss().parameters, loss().first_parameter, p.parameters,
                                               [&](int slot) { return *store_->values(slot); });
    return {parameters, share_states()};
  }

 private:
  struct copies {
    std::vector<std::vector<float>> values;
    std::vector<std::span<float>> spans;
  };

  const operation& loss() const {
    const program& p = blueprint_->checkpointed;
    return p.operations[p.producers[p.loss]];
  }
  template <class Slots, class Own>
  std::span<float>* share(copies& to, int count, int first, const Slots& slots, const Own& own) {
    const int from = blueprint_->grid.rank(blueprint_->rank_of(loss().stage), 0);
    to.values.resize(static_cast<std::size_t>(count));
    to.spans.resize(to.values.size());
    for (int k = 0; k < count; ++k) {
      std::vector<float>& values = to.values[static_cast<std::size_t>(k)];
      std::span<float>& place = to.spans[static_cast<std::size_t>(k)];
      values.resize(slots[first + k].declared.elements());
      place = values;
      if (from == blueprint_->rank) std::ranges::copy(own(first + k), values.begin());
      mpi::in_pieces(std::as_writable_bytes(place),
                     [&](std::span<std::byte> piece) { all_->wait(ranks_->world.broadcast(piece, from)); });
    }
    return to.spans.data();
  }

  const distributed_blueprint* blueprint_;
  parameter_store* store_;
  const model_ranks* ranks_;
  const agreement* all_;
  copies parameters_, states_;
};

}  // namespace remat
