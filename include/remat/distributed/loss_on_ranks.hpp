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
  value_spans share_states() {
    const int first = loss().first_state;
    return share(states_, store_->states(first, loss().states), blueprint_->checkpointed.states.data() + first);
  }
  /// Collective. Sends both.
  detail::loss_tensors share() {
    if (!has_tensors()) return {};
    const int first = loss().first_parameter;
    const value_spans parameters = share(parameters_, store_->values(first, loss().parameters),
                                         blueprint_->checkpointed.parameters.data() + first);
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
  value_spans share(copies& to, value_spans own, const parameter_slot* slots) {
    const int from = blueprint_->grid.rank(blueprint_->rank_of(loss().stage), 0);
    mpi::session::with_memory([&] {
      to.values.resize(own.size());
      to.spans.resize(own.size());
      for (std::size_t k = 0; k < own.size(); ++k) to.values[k].resize(slots[k].declared.elements());
    });
    for (std::size_t k = 0; k < own.size(); ++k) {
      to.spans[k] = to.values[k];
      if (from == blueprint_->rank) std::ranges::copy(own[k], to.values[k].begin());
      mpi::in_pieces(std::as_writable_bytes(to.spans[k]),
                     [&](std::span<std::byte> piece) { all_->wait(ranks_->world.broadcast(piece, from)); });
    }
    return to.spans;
  }

  const distributed_blueprint* blueprint_;
  parameter_store* store_;
  const model_ranks* ranks_;
  const agreement* all_;
  copies parameters_, states_;
};

}  // namespace remat
