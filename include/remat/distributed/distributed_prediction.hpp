// SPDX-License-Identifier: MIT
/// A prediction on many ranks: the replicas share the batch where it splits, each replica's part of it passes through
/// the pipeline, and every rank gets all outputs. Where replicas bring batches of their own, each gets its own outputs.
#pragma once

#include <remat/distributed/agreement.hpp>
#include <remat/distributed/distributed_blueprint.hpp>
#include <remat/distributed/model_ranks.hpp>
#include <remat/distributed/pipeline_cache.hpp>
#include <remat/run/batch_parts.hpp>
#include <remat/run/result.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace remat {

class distributed_prediction {
 public:
  distributed_prediction(const distributed_blueprint& b, const model_ranks& ranks, const agreement& all,
                         pipeline_cache& lines)
      : blueprint_(&b), ranks_(&ranks), all_(&all), pipelines_(&lines) {}

  /// How a batch, or that of this replica, is shared and cut.
  struct cut {
    bool is_shared = false;   ///< by the replicas, each of which has as much of it
    std::size_t mine = 0;     ///< samples of a replica
    std::size_t count = 1;    ///< its micro-batches: as many as divide it, up to those of a training step
    std::size_t samples = 0;  ///< of each
  };
  cut cut_of(std::size_t batch) const {
    const std::size_t replicas = static_cast<std::size_t>(blueprint_->grid.replicas());
    cut made{.is_shared = batch % replicas == 0 && !blueprint_->replicas_have_their_own};
    made.mine = made.is_shared ? batch / replicas : batch;
    made.count = std::min(made.mine, static_cast<std::size_t>(blueprint_->schedule.microbatches));
    while (made.mine % made.count != 0) --made.count;
    made.samples = made.mine / made.count;
    return made;
  }

  /// The pipeline of such a batch.
  pipeline& line_for(std::size_t batch) {
    const cut made = cut_of(batch);
    return pipelines_->inference(made.samples, made.count);
  }

  /// Collective.
  void run(std::span<const tensor_source> sources, std::size_t batch, std::uint64_t seed, std::uint32_t step) {
    const program& p = blueprint_->checkpointed;
    const bool is_its_own = blueprint_->replicas_have_their_own;
    const auto [shares, mine, count, samples] = cut_of(batch);
    const std::size_t first = shares ? static_cast<std::size_t>(blueprint_->replica()) * count : 0;
    pipeline& line = line_for(batch);
    parts_.split(p, sources, {batch, batch / samples}, first, count);
    results_.begin(sources);
    for (int t : p.outputs) results_.expect(p.tensors[t], batch);
    std::array<std::span<std::byte>, kernel_call::max_tensors> places;
    line.run({seed, step}, parts_, [&](std::size_t local, int m) {
      std::size_t fetched = 0;
      for (int k = 0; k < p.outputs.size; ++k)
        if (stage_of_output(k) == line.stage(local))
          places[fetched++] = part_of_result(k, first + static_cast<std::size_t>(m), samples);
      return std::span<const std::span<std::byte>>(places.data(), fetched);
    });
    results_.finish();
    for (int k = 0; k < p.outputs.size; ++k)
      for (int r = 0; r < (shares ? blueprint_->grid.replicas() : 1); ++r) {
        const int teller = blueprint_->rank_of(stage_of_output(k));
        const mpi::communicator& readers = is_its_own ? ranks_->pipeline : ranks_->world;
        const int from = is_its_own ? teller : blueprint_->grid.rank(teller, r);
        mpi::in_pieces(part_of_result(k, static_cast<std::size_t>(r), mine),
                       [&](std::span<std::byte> piece) { all_->wait(readers.broadcast(piece, from)); });
      }
  }

  /// Output i of the last run.
  std::span<const float> output(std::size_t i) const {
    if (results_.views().empty()) throw error("no prediction has run, so there is no output");
    return results_.at(i);
  }
  std::size_t bytes() const { return results_.bytes(); }

 private:
  /// Part i of output k, where all parts have this number of samples.
  std::span<std::byte> part_of_result(int k, std::size_t i, std::size_t samples) const {
    const std::size_t bytes = blueprint_->checkpointed.tensors[blueprint_->checkpointed.outputs[k]].bytes(samples);
    return results_.views()[static_cast<std::size_t>(k)].subspan(i * bytes, bytes);
  }
  int stage_of_output(int k) const {
    const int producer = blueprint_->checkpointed.producers[blueprint_->checkpointed.outputs[k]];
    return producer == core::none ? 0 : blueprint_->checkpointed.operations[producer].stage;
  }

  const distributed_blueprint* blueprint_;
  const model_ranks* ranks_;
  const agreement* all_;
  pipeline_cache* pipelines_;
  batch_parts parts_;
  results results_;
};

}  // namespace remat
