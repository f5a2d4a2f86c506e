// SPDX-License-Identifier: MIT
/// What the loss counts of each micro-batch of all replicas, on every rank, before a training step runs.
///
/// A loss of samples knows it from their number. Of targets, the ranks that are given batches count all of them, and
/// tell those that are not; where replicas bring their own, each counts those of its own. What counting
/// reads of the loss's states (weights of classes) comes from the rank of replica 0 that runs the loss.
#pragma once

#include <remat/distributed/agreement.hpp>
#include <remat/distributed/distributed_blueprint.hpp>
#include <remat/distributed/loss_on_ranks.hpp>
#include <remat/distributed/model_ranks.hpp>
#include <remat/run/batch_parts.hpp>
#include <remat/run/batch_split.hpp>
#include <remat/run/loss_shares.hpp>
#include <remat/run/parameter_store.hpp>
#include <remat/run/target_counter.hpp>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace remat {

class share_counter {
 public:
  share_counter(const distributed_blueprint& b, parameter_store& store, const model_ranks& ranks, const agreement& all)
      : blueprint_(&b), ranks_(&ranks), all_(&all), counter_(b.checkpointed), loss_(b, store, ranks, all) {}

  /// Collective. The shares of the parts of a batch.
  void count(std::span<const tensor_source> sources, const batch_split& split) {
    const program& p = blueprint_->checkpointed;
    shares_.begin(split.parts, counter_.divides());
    if (split.parts == 1) return;
    const std::span<double> counts = shares_.counts();
    if (!counter_.reads_targets()) {
      for (std::size_t k = 0; k < split.parts; ++k) counts[k] = static_cast<double>(split.samples(k));
      return;
    }
    const value_spans states = loss_.share_states();
    if (blueprint_->replicas_have_their_own) {  // each counts its own
      const batch_split mine = split.of_group();
      const std::size_t first = static_cast<std::size_t>(blueprint_->replica()) * mine.parts;
      std::ranges::fill(counts, 0);
      parts_.split(p, sources, mine, 0, mine.parts);
      for (std::size_t k = 0; k < mine.parts; ++k)
        counts[first + k] = counter_.count(parts_(static_cast<int>(k)), mine.samples(k), states);
      tell(counts);
      return;
    }
    if (blueprint_->has_data()) {
      parts_.split(p, sources, split, 0, split.parts);
      for (std::size_t k = 0; k < split.parts; ++k)
        counts[k] = counter_.count(parts_(static_cast<int>(k)), split.samples(k), states);
    }
    if (p.inputs_enter_first) tell(counts);
  }

  const loss_shares& shares() const { return shares_; }
  /// That counting takes now, and that it takes for a batch.
  std::size_t bytes() const { return counter_.bytes(); }
  std::size_t bytes_for(const batch_split& split) const {
    const bool counts = split.parts > 1 && (blueprint_->has_data() || blueprint_->replicas_have_their_own);
    return counts ? std::max(bytes(), counter_.bytes_for(split.largest())) : bytes();
  }

 private:
  /// Each count is known to some ranks, all of them alike: all others have 0 bits.
  void tell(std::span<double> counts) {
    everyones_.resize(counts.size());
    std::ranges::transform(counts, everyones_.begin(), [](double each) { return std::bit_cast<std::uint64_t>(each); });
    all_->wait(ranks_->world.largest(everyones_));
    std::ranges::transform(everyones_, counts.begin(), [](std::uint64_t each) { return std::bit_cast<double>(each); });
  }

  const distributed_blueprint* blueprint_;
  const model_ranks* ranks_;
  const agreement* all_;
  target_counter counter_;
  loss_shares shares_;
  batch_parts parts_;
  loss_on_ranks loss_;
  std::vector<std::uint64_t> everyones_;
};

}  // namespace remat
