// SPDX-License-Identifier: MIT
/// A network on the ranks of a job, before it runs: where this rank is, what all ranks have agreed on, whose parameters
/// are where, and what the ranks tell each other about them. distributed_network.hpp has what runs on it.
#pragma once

#include <remat/distributed/call_agreement.hpp>
#include <remat/distributed/distributed_blueprint.hpp>
#include <remat/distributed/distributed_options.hpp>
#include <remat/distributed/distributed_tensors.hpp>
#include <remat/distributed/model_ranks.hpp>
#include <remat/distributed/optimizer_shards.hpp>
#include <remat/distributed/session.hpp>
#include <remat/plan/divided_checkpoints.hpp>
#include <remat/run/internals.hpp>
#include <remat/run/trainable.hpp>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

namespace remat {

class network_on_ranks : public trainable {
 public:
  network_on_ranks(const network_on_ranks&) = delete;
  network_on_ranks& operator=(const network_on_ranks&) = delete;

  // --- where this rank is -----------------------------------------------------------------------------------------

  int rank() const { return blueprint_.rank; }
  int size() const { return blueprint_.grid.size(); }
  int partition() const { return blueprint_.partition(); }  ///< in its pipeline
  int partitions() const { return blueprint_.grid.partitions(); }
  int replica() const { return blueprint_.replica(); }  ///< its replica
  int replicas() const { return blueprint_.grid.replicas(); }
  const rank_grid& grid() const { return blueprint_.grid; }
  const schedule_table& schedule() const { return blueprint_.schedule; }
  /// The fused program; each operation has its stage.
  const program& lowered() const override { return blueprint_.checkpointed; }
  std::size_t microbatches() const { return static_cast<std::size_t>(blueprint_.schedule.microbatches); }
  /// Checkpoints that the partition cuts through and that cannot be divided.
  const core::list<ignored_checkpoint>& ignored() const { return blueprint_.ignored; }
  /// Children of checkpointed sequentials that the partition cuts through and that are checkpointed in parts, one on
  /// each stage.
  core::list<split_checkpoint> split() const { return split_checkpoints(blueprint_.checkpointed); }

  const tensor_shape& output_shape() const {
    return blueprint_.checkpointed.tensors[blueprint_.checkpointed.outputs[0]];
  }

  /// What every rank gives, on all of them, in the order of ranks: `model.of_all_ranks(seconds)`. Plain numbers, or a
  /// struct of them; an int for a bool, of which std::vector makes bits.
  template <class T>
    requires(std::is_trivially_copyable_v<T> && !std::is_same_v<T, bool>)
  std::vector<T> of_all_ranks(const T& mine) const {
    calls_.meet(call_kind::gathering);
    return calls_.all().gather(mine);
  }

  // --- what optimizers and clipping ask -----------------------------------------------------------------------------

  /// Of numbers that are at least 0, or NaN: some NaNs have a sign, with which they would be less than the others'
  /// zeros.
  double sum_over_parameters(std::span<const double> numbers) override {
    calls_.meet(call_kind::sum);
    everyones_.assign(blueprint_.checkpointed.parameters.size(), 0);
    for (std::size_t i = 0; i < numbers.size(); ++i)
      everyones_[store().slots()[i]] = std::bit_cast<std::uint64_t>(std::abs(numbers[i]));
    all().wait(ranks_.pipeline.largest(everyones_));
    double sum = 0;
    for (const std::uint64_t each : everyones_) sum += std::bit_cast<double>(each);
    return sum;
  }
  std::pair<std::size_t, std::size_t> updated_here(std::size_t i) const override { return shards_.here(i); }
  void before_update(std::span<const double> settings) override { calls_.remember(settings); }
  /// Where the optimizer's numbers are shared out over replicas, each has updated its shard: now all have all.
  void after_update() override {
    if (!shards_.are_apart()) return;
    calls_.meet(call_kind::update);
    shards_.gather(all());
  }

  // --- what files of tensors ask: `weights`, `tensors` ----------------------------------------------------------------

  const tensor_ranks& ranks_of_tensors() const override { return tensors_; }

 protected:
  friend struct remat::internals;

  network_on_ranks(const mpi::session& session, distributed_blueprint drawn, const distributed_options& options)
      : trainable(options.seed, threads_of(session, options.threads),
                  mpi::session::with_memory([&] {
                    return std::make_unique<parameter_store>(
                        drawn.checkpointed, options.seed,
                        slots_of_operations(drawn.checkpointed, [&](const operation& o) { return drawn.runs(o); }));
                  })),
        blueprint_(std::move(drawn)),
        ranks_(session, blueprint_, threads_),
        calls_(session, blueprint_.model, ranks_.waiting, threads_, blueprint_.groups(options.compares_batches)),
        shards_(options.shards_optimizer, blueprint_, *parameters_, ranks_.replicas),
        tensors_(blueprint_, ranks_.world, calls_, shards_) {}

  const mpi::communicator& world() const { return ranks_.world; }
  const agreement& all() const { return calls_.all(); }
  const call_agreement& calls() const { return calls_; }

  distributed_blueprint blueprint_;
  model_ranks ranks_;
  call_agreement calls_;

 private:
  static int threads_of(const mpi::session& session, int wanted) {
    if (wanted != 0) return checked_threads(wanted);
    return std::max(1, std::min(thread_count(), session.this_host().cores / session.this_host().ranks));
  }

  optimizer_shards shards_;
  distributed_tensors tensors_;
  std::vector<std::uint64_t> everyones_;
};

}  // namespace remat
