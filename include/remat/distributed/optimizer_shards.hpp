// SPDX-License-Identifier: MIT
/// Shards of the optimizer's numbers over replicas, as in ZeRO's first stage (Rajbhandari et al. 2020): each replica
/// updates an equal part of the parameters, as they are laid out in memory, keeps the optimizer's numbers of that part
/// alone, and gives it to the others. The bits are those of replicas that all update everything.
#pragma once

#include <remat/core/alignment.hpp>
#include <remat/distributed/agreement.hpp>
#include <remat/distributed/distributed_blueprint.hpp>
#include <remat/run/held_slots.hpp>
#include <remat/run/parameter_store.hpp>

#include <algorithm>
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

namespace remat {

class optimizer_shards {
 public:
  /// Where it is not wanted, each replica's shard is everything.
  optimizer_shards(bool is_wanted, const distributed_blueprint& b, parameter_store& store,
                   const mpi::communicator& replicas)
      : blueprint_(&b),
        store_(&store),
        replicas_(&replicas),
        count_(is_wanted ? replicas.size() : 1),
        mine_(replicas.rank()) {
    if (!are_apart()) return;
    const program& p = b.checkpointed;
    for (int rank = 0; rank < b.grid.partitions(); ++rank) {
      const auto held = slots_of_operations(p, [&](const operation& o) { return b.rank_of(o.stage) == rank; });
      const std::vector<std::size_t> first = detail::first_places(p.parameters, held.parameters);
      layouts_.push_back(detail::layout_of(p.parameters, [&](std::size_t i) { return first[i] == i; }));
    }
  }

  /// The elements [first, second) of the rank's parameter `i` that are updated here.
  std::pair<std::size_t, std::size_t> here(std::size_t i) const {
    const parameter_view& p = store_->views()[i];
    const std::size_t size = p.gradient.empty() ? 0 : p.values.size();
    if (!are_apart()) return {0, size};
    const auto* const first_byte = reinterpret_cast<const std::byte*>(p.values.data());
    const auto at = static_cast<std::size_t>(first_byte - store_->value_block().data());
    return part(at, size, store_->value_block().size(), mine_);
  }
  /// The same of any rank of a pipeline and replica, for a parameter whose first place on that rank is this slot.
  std::pair<std::size_t, std::size_t> of(int partition, std::size_t slot, int replica) const {
    const std::size_t size = blueprint_->checkpointed.parameters[slot].declared.elements();
    if (!are_apart()) return {0, size};
    const detail::slot_layout& at = layouts_[static_cast<std::size_t>(partition)];
    return part(at.offsets[slot], size, at.bytes, replica);
  }

  bool are_apart() const { return count_ > 1; }
  /// Collective: each replica has updated its shard; now all have all.
  void gather(const agreement& all) const {
    for (int r = 0; r < count_ && are_apart(); ++r) {
      const auto [begin, end] = shard(store_->value_block().size(), r);
      mpi::in_pieces(store_->value_block().subspan(begin * sizeof(float), (end - begin) * sizeof(float)),
                     [&](std::span<std::byte> piece) { all.wait(replicas_->broadcast(piece, r)); });
    }
  }

 private:
  /// Of the elements of all parameters of a rank, as they are in memory, those of a replica.
  std::pair<std::size_t, std::size_t> shard(std::size_t block_bytes, int replica) const {
    constexpr std::size_t grain = alignment / sizeof(float);
    const std::size_t grains = block_bytes / alignment;
    const std::size_t count = static_cast<std::size_t>(count_), r = static_cast<std::size_t>(replica);
    return {grains * r / count * grain, grains * (r + 1) / count * grain};
  }

  /// Of a parameter that begins at this byte of the block, and has this many elements.
  std::pair<std::size_t, std::size_t> part(std::size_t first_byte, std::size_t size, std::size_t block_bytes,
                                           int replica) const {
    const auto [begin, end] = shard(block_bytes, replica);
    const std::size_t at = first_byte / sizeof(float);
    const std::size_t first = std::clamp(begin, at, at + size) - at;
    return {first, std::max(first, std::clamp(end, at, at + size) - at)};
  }

  const distributed_blueprint* blueprint_;
  parameter_store* store_;
  const mpi::communicator* replicas_;
  int count_, mine_;
  std::vector<detail::slot_layout> layouts_;  // of each rank of a pipeline, where they are apart
};

}  // namespace remat
