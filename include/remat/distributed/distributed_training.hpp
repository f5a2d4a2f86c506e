// SPDX-License-Identifier: MIT
/// A training step on many ranks, once they have agreed on it: each replica's micro-batches pass through its pipeline;
/// gradients of shared parameters are added up within a pipeline, all gradients over the replicas, and every rank gets
/// the loss of the whole batch, whose denominator is what counts in all of it (loss_shares.hpp).
#pragma once

#include <remat/distributed/agreement.hpp>
#include <remat/distributed/distributed_blueprint.hpp>
#include <remat/distributed/distributed_options.hpp>
#include <remat/distributed/gradient_reduction.hpp>
#include <remat/distributed/model_ranks.hpp>
#include <remat/distributed/pipeline.hpp>
#include <remat/distributed/pipeline_cache.hpp>
#include <remat/distributed/pipeline_trace.hpp>
#include <remat/distributed/share_counter.hpp>
#include <remat/distributed/shared_parameters.hpp>
#include <remat/run/batch_parts.hpp>
#include <remat/run/batch_split.hpp>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace remat {

class distributed_training {
 public:
  distributed_training(const distributed_blueprint& b, const distributed_options& options, parameter_store& store,
                       const model_ranks& ranks, const agreement& all)
      : blueprint_(&b),
        store_(&store),
        ranks_(&ranks),
        all_(&all),
        shared_(b.checkpointed, b.ranks_of_parameters(), store, ranks.pipeline, ranks.waiting),
        reduction_(
            b.checkpointed, [&](const operation& o) { return b.runs(o); }, store, ranks.replicas, ranks.waiting,
            options.bucket_bytes),
        overlaps_(options.allreduce == allreduce::overlapped),
        counter_(b, store, ranks, all) {}

  /// The pipeline of this rank for a batch.
  pipeline& line_for(pipeline_cache& lines, const batch_split& split, bool updates) const {
    if (split.groups > 1)
      return lines.training(split.smaller(), static_cast<int>(split.larger()), updates);  // each splits its own
    const std::size_t before = std::min(first_part(), split.larger());
    return lines.training(split.smaller(), static_cast<int>(std::min(split.larger() - before, count())), updates);
  }

  /// Collective. Trains on a batch in the micro-batches of all replicas, and returns the loss. A line that updates
  /// parameters gives their gradients to `updates`, each when it is that of all replicas; those of parameters with
  /// several places are in the block in the end.
  float run(pipeline& line, std::span<const tensor_source> sources, const batch_split& split, std::uint64_t seed,
            std::uint32_t step, gradient_receiver* updates = nullptr) {
    const program& p = blueprint_->checkpointed;
    const std::size_t first = first_part();
    const int loss_stage = p.operations[p.producers[p.loss]].stage;
    counter_.count(sources, split);
    shares_.resize(count());
    for (std::size_t m = 0; m < count(); ++m) shares_[m] = counter_.shares().share(first + m);
    if (blueprint_->replicas_have_their_own)
      parts_.split(p, sources, split.of_group(), 0, count());
    else
      parts_.split(p, sources, split, first, count());
    losses_.assign(split.parts, 0);
    std::span<std::byte> place;
    trace_.start();
    const bool has_replicas = blueprint_->grid.replicas() > 1;
    reduction_.begin(overlaps_, &trace_, updates);
    line.run({seed, step, static_cast<std::uint32_t>(first), shares_, counter_.shares().counted_in_batch(), &trace_,
              has_replicas ? &reduction_ : nullptr, has_replicas ? &reduction_ : updates},
             parts_, [&](std::size_t local, int m) {
               if (line.stage(local) != loss_stage) return std::span<const std::span<std::byte>>();
               place = std::as_writable_bytes(std::span(&losses_[first + static_cast<std::size_t>(m)], 1));
               return std::span<const std::span<std::byte>>(&place, 1);
             });
    shared_.sum();
    store_->sum_shared();
    if (has_replicas) reduction_.finish();
    return loss_of_all();
  }

  bool overlaps() const { return overlaps_; }
  /// In addition to the gradients of the parameters.
  std::size_t staging_bytes() const { return shared_.staging_bytes(); }
  /// Of targets that are counted.
  std::size_t counting_bytes() const { return counter_.bytes(); }
  std::size_t counting_bytes_for(const batch_split& split) const { return counter_.bytes_for(split); }
  /// When this rank did what in the last step.
  const pipeline_trace& trace() const { return trace_; }

 private:
  /// The micro-batches of a replica, and the first one of this rank's among those of all.
  std::size_t count() const { return static_cast<std::size_t>(blueprint_->schedule.microbatches); }
  std::size_t first_part() const { return static_cast<std::size_t>(blueprint_->replica()) * count(); }

  /// Only the ranks of the loss know their losses: all others have 0 bits.
  float loss_of_all() {
    everyones_.assign(losses_.size(), 0);
    for (std::size_t i = 0; i < losses_.size(); ++i) everyones_[i] = std::bit_cast<std::uint32_t>(losses_[i]);
    all_->wait(ranks_->world.largest(everyones_));
    for (std::size_t i = 0; i < losses_.size(); ++i)
      losses_[i] = std::bit_cast<float>(static_cast<std::uint32_t>(everyones_[i]));
    return counter_.shares().loss(losses_);
  }

  const distributed_blueprint* blueprint_;
  parameter_store* store_;
  const model_ranks* ranks_;
  const agreement* all_;
  shared_parameters shared_;
  gradient_reduction reduction_;
  bool overlaps_;
  share_counter counter_;
  batch_parts parts_;
  std::vector<float> shares_;
  std::vector<float> losses_;  // of the micro-batches of all replicas
  std::vector<std::uint64_t> everyones_;
  pipeline_trace trace_;
};

}  // namespace remat
