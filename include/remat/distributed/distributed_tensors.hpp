// SPDX-License-Identifier: MIT
/// The ranks that a distributed model's tensors are spread over. Each stage's parameters and states are on its rank, in
/// every replica; one that stages share is on all of their ranks. An optimizer's rows are where the parameter is, or
/// each replica has its shard of them. Counters are on every rank.
///
/// What is gathered is replica 0's, whose states may differ from those of others; what is scattered goes to all.
#pragma once

#include <remat/distributed/call_agreement.hpp>
#include <remat/distributed/distributed_blueprint.hpp>
#include <remat/distributed/mpi.hpp>
#include <remat/distributed/optimizer_shards.hpp>
#include <remat/run/held_slots.hpp>
#include <remat/run/tensor_ranks.hpp>

#include <algorithm>
#include <cstddef>
#include <exception>
#include <functional>
#include <span>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace remat {

class distributed_tensors : public tensor_ranks {
 public:
  /// All of them must outlive it.
  distributed_tensors(const distributed_blueprint& b, const mpi::communicator& world, const call_agreement& calls,
                      const optimizer_shards& shards)
      : blueprint_(&b),
        world_(&world),
        calls_(&calls),
        shards_(&shards),
        parameters_(places_of(b.checkpointed.parameters, b.ranks_of_parameters())),
        states_(places_of(b.checkpointed.states, b.ranks_of_states())) {}

  int rank() const override { return blueprint_->rank; }

  std::vector<held_elements> holders_of(tensor_role role, int slot, std::size_t elements) const override {
    std::vector<held_elements> all;
    for (const place& at : (role == tensor_role::state ? states_ : parameters_)[static_cast<std::size_t>(slot)])
      for (int replica = 0; replica < blueprint_->grid.replicas(); ++replica) {
        held_elements part{blueprint_->grid.rank(at.partition, replica), 0, elements};
        if (role == tensor_role::optimizer)
          std::tie(part.first, part.last) = shards_->of(at.partition, at.slot, replica);
        if (part.size() > 0) all.push_back(part);
      }
    return all;
  }
  std::vector<held_elements> all_holders(std::size_t elements) const override {
    std::vector<held_elements> all;
    for (int r = 0; r < blueprint_->grid.size(); ++r) all.push_back({r, 0, elements});
    return all;
  }

  void meet() const override { calls_->meet(call_kind::weights); }
  void run_on(int rank, const std::function<void()>& f) const override {
    run_on_each([&] {
      if (blueprint_->rank == rank) f();
    });
  }
  void run_on_each(const std::function<void()>& f) const override {
    std::string complaint;
    try {
      f();
    } catch (const std::exception& e) {
      complaint = e.what();
    }
    calls_->all().require_none(complaint);
  }
  void send(std::span<const std::byte> bytes, int to) const override {
    mpi::in_pieces(bytes, [&](std::span<const std::byte> piece) { wait(world_->send(piece, to, 0)); });
  }
  void receive(std::span<std::byte> bytes, int from) const override {
    mpi::in_pieces(bytes, [&](std::span<std::byte> piece) { wait(world_->receive(piece, from, 0)); });
  }
  void broadcast(std::span<std::byte> bytes, int from) const override {
    mpi::in_pieces(bytes, [&](std::span<std::byte> piece) { wait(world_->broadcast(piece, from)); });
  }

 private:
  /// Where a rank of a pipeline first has what a slot owns.
  struct place {
    int partition = 0;
    std::size_t slot = 0;
  };
  /// Of each slot that is an owner, one for each rank that has it.
  static std::vector<std::vector<place>> places_of(const core::list<parameter_slot>& slots,
                                                   const std::vector<int>& ranks) {
    std::vector<std::vector<place>> all(slots.size());
    for (std::size_t i = 0; i < slots.size(); ++i) {
      std::vector<place>& mine = all[static_cast<std::size_t>(slots[i].owner)];
      if (ranks[i] != core::none && std::ranges::find(mine, ranks[i], &place::partition) == mine.end())
        mine.push_back({ranks[i], i});
    }
    return all;
  }

  void wait(mpi::request r) const { calls_->all().wait(std::move(r)); }

  const distributed_blueprint* blueprint_;
  const mpi::communicator* world_;
  const call_agreement* calls_;
  const optimizer_shards* shards_;
  std::vector<std::vector<place>> parameters_, states_;
};

}  // namespace remat
