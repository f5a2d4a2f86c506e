// SPDX-License-Identifier: MIT
/// How a training step splits a batch into micro-batches, as all ranks accept it; a batch of too few samples, or
/// of another size than other ranks have, is refused on all of them.
#pragma once

#include <remat/core/error.hpp>
#include <remat/distributed/agreement.hpp>
#include <remat/distributed/call_agreement.hpp>
#include <remat/distributed/collective_error.hpp>
#include <remat/distributed/distributed_blueprint.hpp>
#include <remat/plan/checked_batch.hpp>
#include <remat/run/batch_split.hpp>
#include <remat/run/source.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

namespace remat {
namespace detail {

/// Throws `error` where `samples`, a batch of all replicas or a replica's own, do not split into this many parts,
/// nor into parts that can be planned.
inline void require_split(const distributed_blueprint& b, std::size_t samples, std::size_t parts) {
  const std::string microbatches = std::to_string(b.schedule.microbatches);
  const int replicas = b.grid.replicas();
  if (b.checkpointed.loss == core::none)
    throw error("a training step needs a loss; give the model one: remat::distributed_model<net, input, loss>");
  if (b.replicas_have_their_own && samples < parts)
    throw error("a replica's own batch of " + std::to_string(samples) + " does not split into " + microbatches +
                " micro-batches; take at least " + microbatches + " samples, or drop the last batch of an epoch");
  if (samples < parts)
    throw error("a batch of " + std::to_string(samples) + " does not split into " + microbatches +
                " micro-batches on each of " + std::to_string(replicas) +
                (replicas == 1 ? " replica; take" : " replicas; take") + " at least " + std::to_string(parts) +
                " samples, or drop the last batch of an epoch");
  checked_batch(b.checkpointed, batch_split{samples, parts}.largest());
}

}  // namespace detail

/// Collective. Of the batch of all replicas together. `parameters` is a hash of this rank's, where replicas compare
/// them.
inline batch_split agree_on_split(const call_agreement& calls, const distributed_blueprint& b, call_kind kind,
                                  std::span<const tensor_source> sources,
                                  std::optional<std::uint64_t> parameters = {}) {
  const std::size_t replicas = static_cast<std::size_t>(b.grid.replicas());
  const std::size_t own = static_cast<std::size_t>(b.schedule.microbatches), all = replicas * own;
  const std::size_t parts = b.replicas_have_their_own ? own : all;
  const std::size_t batch = calls.meet_with_batch(
      kind, b.checkpointed, sources, b.checkpointed.inputs, b.has_data(),
      [&](std::size_t samples) { detail::require_split(b, samples, parts); }, parameters);
  if (!b.replicas_have_their_own) return {batch, all};
  calls.require_equal_groups();
  return {batch * replicas, all, replicas};
}

/// The same before a step. An optimizer within a step that is refused has done nothing: what the ranks remember is then
/// what it was `before` it, where that is given.
inline batch_split agree_on_step(call_agreement& calls, const distributed_blueprint& b,
                                 std::span<const tensor_source> sources, std::optional<std::uint64_t> parameters,
                                 const fingerprint* before) {
  try {
    return agree_on_split(calls, b, call_kind::training, sources, parameters);
  } catch (const collective_error&) {
    if (before != nullptr) calls.restore(*before);
    throw;
  }
}

}  // namespace remat
