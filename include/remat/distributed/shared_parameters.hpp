// SPDX-License-Identifier: MIT
/// Parameters that several ranks of a pipeline share: each has a copy, and the same gradient in the end.
///
/// The gradients of all places are added up in the order of the program, as one process adds them: on the rank of the
/// first place, which gets the others' one by one and sends the sum back.
#pragma once

#include <remat/core/parallel.hpp>
#include <remat/distributed/message_wait.hpp>
#include <remat/distributed/mpi.hpp>
#include <remat/run/parameter_store.hpp>

#include <algorithm>
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

namespace remat {

class shared_parameters {
 public:
  /// `rank_of_slot` gives, for each parameter slot of the program, the rank that holds it.
  shared_parameters(const program& p, const std::vector<int>& rank_of_slot, parameter_store& store,
                    const mpi::communicator& ranks, mpi::wait_mode how)
      : store_(&store), ranks_(&ranks), how_(how), mine_(ranks.rank()) {
    std::size_t longest = 0;
    for (int owner = 0; owner < p.parameters.count(); ++owner) {
      group g;
      for (int i = owner; i < p.parameters.count(); ++i)
        if (p.parameters[i].owner == owner) g.places.push_back({i, rank_of_slot[static_cast<std::size_t>(i)]});
      const bool is_split = std::ranges::any_of(g.places, [&](const place& at) { return at.rank != g.places[0].rank; });
      const bool is_mine = std::ranges::any_of(g.places, [&](const place& at) { return at.rank == mine_; });
      if (!is_split || !is_mine) continue;
      for (const place& at : g.places)
        if (at.rank == mine_ && g.first == core::none) g.first = at.slot;
      const std::size_t size = store.gradient_memory().size(static_cast<std::size_t>(g.first));
      if (size == 0) continue;  // frozen
      if (g.places[0].rank == mine_) longest = std::max(longest, size);
      groups_.push_back(std::move(g));
    }
    staging_.resize(longest);
  }

  /// Adds up the gradients of all places; the sum is then in the first place of each rank. Called by all ranks of the
  /// pipeline.
  void sum() {
    for (const group& g : groups_)
      if (g.places[0].rank == mine_)
        collect(g);
      else
        contribute(g);
  }

  std::size_t staging_bytes() const { return staging_.size() * sizeof(float); }

 private:
  struct place {
    int slot = core::none, rank = 0;
  };
  struct group {
    std::vector<place> places = {};
    int first = core::none;  // slot of the first place on this rank
  };

  std::span<float> gradient(int slot) const { return store_->gradient(slot); }
  void wait(mpi::request r) const {
    mpi::wait_until(how_, [&] { return r.is_done(); });
  }

  void collect(const group& g) {
    const std::span<float> sum = gradient(g.first);
    const std::span<float> other = std::span(staging_).first(sum.size());
    for (const place& at : std::span(g.places).subspan(1)) {
      std::span<const float> more = other;
      if (at.rank == mine_)
        more = gradient(at.slot);
      else
        mpi::in_pieces(
            other, [&](std::span<float> piece) { wait(ranks_->receive(std::as_writable_bytes(piece), at.rank, tag)); });
      elementwise(sum.size(), [to = sum.data(), from = more.data()](std::size_t i) { to[i] += from[i]; });
    }
    for (const place& at : g.places) {
      if (at.rank == mine_ || is_told_already(g, at)) continue;
      mpi::in_pieces(std::span<const float>(sum),
                     [&](std::span<const float> piece) { wait(ranks_->send(std::as_bytes(piece), at.rank, tag)); });
    }
  }
  static bool is_told_already(const group& g, const place& at) {
    for (const place& before : g.places) {
      if (&before == &at) return false;
      if (before.rank == at.rank) return true;
    }
    return false;
  }

  void contribute(const group& g) {
    for (const place& at : g.places)
      if (at.rank == mine_)
        mpi::in_pieces(std::span<const float>(gradient(at.slot)), [&](std::span<const float> piece) {
          wait(ranks_->send(std::as_bytes(piece), g.places[0].rank, tag));
        });
    mpi::in_pieces(gradient(g.first), [&](std::span<float> piece) {
      wait(ranks_->receive(std::as_writable_bytes(piece), g.places[0].rank, tag));
    });
  }

  static constexpr int tag = 0;
  parameter_store* store_;
  const mpi::communicator* ranks_;
  mpi::wait_mode how_;
  int mine_;
  std::vector<group> groups_;
  std::vector<float> staging_;
};

}  // namespace remat
