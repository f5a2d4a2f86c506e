// SPDX-License-Identifier: MIT
/// The micro-batches of a step in one process: parts of the caller's batch that run one after another, each with its
/// share of the loss.
#pragma once

#include <remat/model/program.hpp>
#include <remat/run/batch_parts.hpp>
#include <remat/run/executor.hpp>
#include <remat/run/loss_shares.hpp>
#include <remat/run/parameter_store.hpp>
#include <remat/run/source.hpp>
#include <remat/run/target_counter.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace remat {

class microbatches {
 public:
  /// `p` must stay where it is.
  explicit microbatches(const program& p) : program_(&p), counter_(p) {}

  /// Splits a batch, and counts what counts of each part before anything runs; one alone is the whole batch.
  void begin(const batch_split& split, std::span<const tensor_source> sources, parameter_store& held) {
    split_ = split;
    parts_.split(*program_, sources, split, 0, split.filled());
    shares_.begin(count(), counter_.divides());
    losses_.resize(count());
    if (count() == 1) return;
    const operation& loss = program_->operations[program_->producers[program_->loss]];
    const value_spans states = held.states(loss.first_state, loss.states);
    for (std::size_t k = 0; k < count(); ++k)
      shares_.counts()[k] = counter_.count(parts_(static_cast<int>(k)), split.samples(k), states);
  }

  std::size_t count() const { return split_.filled(); }
  /// Where each writes its loss.
  std::span<float> losses() { return losses_; }
  /// The loss of the whole batch, once all have run.
  float loss() const { return shares_.loss(losses_); }

  /// Runs micro-batch k. `results` are the losses, one for each, and then the gradients of the batch's inputs, of which
  /// it writes its part. Weights are packed anew for the smaller ones. An executor that updates parameters gives
  /// `updates` their gradients.
  void run(std::size_t k, executor& e, std::uint64_t seed, std::uint32_t step,
           std::span<const std::span<std::byte>> results, gradient_receiver* updates = nullptr) const {
    std::array<std::span<std::byte>, kernel_call::max_tensors + 1> places;
    std::size_t used = 0;
    places[used++] = results[k];
    for (const std::span<std::byte> whole : results.subspan(count())) {
      const std::size_t bytes = whole.size() / split_.batch;
      places[used++] = whole.subspan(split_.first(k) * bytes, split_.samples(k) * bytes);
    }
    e.run({.seed = seed,
           .number = step,
           .microbatch = static_cast<std::uint32_t>(k),
           .share = shares_.share(k),
           .counted_in_batch = shares_.counted_in_batch(),
           .packs = k == 0 || k == split_.larger(),
           .updates = updates},
          parts_(static_cast<int>(k)), {places.data(), used});
  }

  std::size_t bytes() const { return counter_.bytes(); }
  /// Those, or what a batch needs that is split so.
  std::size_t bytes_with(const batch_split& split) const {
    return split.filled() > 1 ? std::max(bytes(), counter_.bytes_for(split.largest())) : bytes();
  }

 private:
  const program* program_;
  batch_split split_;
  batch_parts parts_;
  target_counter counter_;
  loss_shares shares_;
  std::vector<float> losses_;
};

}  // namespace remat
