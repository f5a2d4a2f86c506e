// SPDX-License-Identifier: MIT
/// Shards of the optimizer's numbers over replicas, as in ZeRO's first stage (Rajbhandari et al. 2020): each replica
/// updates an equal part of the parameters as they lie in memory, keeps the optimizer's numbers of that part alone, and
/// gives it to the others. The bits are those of replicas that all update everything.
#pragma once

#include <remat/core/alignment.hpp>
#include <remat/dist/agreement.hpp>
#include <remat/run/parameters.hpp>

#include <algorithm>
#include <cstddef>
#include <span>
#include <utility>

namespace remat {

class optimizer_shards {
 public:
  /// Where it is not wanted, each replica's shard is everything.
  optimizer_shards(bool is_wanted, parameter_store& store, const mpi::communicator& replicas)
      : store_(&store), replicas_(&replicas), count_(is_wanted ? replicas.size() : 1), mine_(replicas.rank()) {}

  /// The elements [first, second) of the rank's parameter `i` that are updated here.
  std::pair<std::size_t, std::size_t> here(std::size_t i) const {
    const parameter_view& p = store_->views()[i];
    const std::size_t size = p.gradient.empty() ? 0 : p.values.size();
    if (count_ == 1) return {0, size};
    const auto [begin, end] = shard(mine_);
    const auto* const first_byte = reinterpret_cast<const std::byte*>(p.values.data());
    const std::size_t at = static_cast<std::size_t>(first_byte - store_->value_block().data()) / sizeof(float);
    const std::size_t first = std::clamp(begin, at, at + size) - at;
    return {first, std::max(first, std::clamp(end, at, at + size) - at)};
  }

  bool are_apart() const { return count_ > 1; }
  /// Collective: each replica has updated its shard; now all have all.
  void gather(const agreement& all) const {
    for (int r = 0; r < count_ && are_apart(); ++r) {
      const auto [begin, end] = shard(r);
      mpi::in_pieces(store_->value_block().subspan(begin * sizeof(float), (end - begin) * sizeof(float)),
                     [&](std::span<std::byte> piece) { all.wait(replicas_->broadcast(piece, r)); });
    }
  }

 private:
  /// The elements of all parameters, as they lie in memory.
  std::pair<std::size_t, std::size_t> shard(int replica) const {
    constexpr std::size_t grain = alignment / sizeof(float);
    const std::size_t grains = store_->value_block().size() / alignment;
    const std::size_t count = static_cast<std::size_t>(count_), r = static_cast<std::size_t>(replica);
    return {grains * r / count * grain, grains * (r + 1) / count * grain};
  }

  parameter_store* store_;
  const mpi::communicator* replicas_;
  int count_, mine_;
};

}  // namespace remat
