// SPDX-License-Identifier: MIT
/// An audit of a rank: does a training step use exactly the memory that its layout promises?
///
/// Every rank of the job runs the step in an arena of its own, between guards, filled with 0xA5 and again with 0x5A.
/// The bytes changed in either run are the bytes really used: they must be the union of the buffers of all stages and
/// micro-batches, no more and no less, the guards intact, and loss and gradients the same bits as without.
///
/// Parameters, states and the number of the step stay as they are; gradients are as after a `train_step` on the batch.
#pragma once

#include <remat/check/audit.hpp>
#include <remat/distributed/distributed_network.hpp>
#include <remat/run/internals.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace remat {

/// Of one rank.
struct rank_audit {
  std::size_t planned_bytes = 0;  ///< of the rank's activations
  std::size_t used_bytes = 0;     ///< up to the last byte that the step changed, in units of the alignment
  bool uses_what_is_planned = false;
  bool guards_intact = false;
  bool gives_the_same_bits = false;

  bool holds() const {
    return uses_what_is_planned && guards_intact && gives_the_same_bits && planned_bytes == used_bytes;
  }
};

/// Audits the training step on one batch, which must be one that `train_step` takes. Every rank calls it. Throws
/// `collective_error` for a model without a loss, and for a batch that `train_step` refuses.
template <class... Tensors>
rank_audit audit(distributed_network& model, const Tensors&... tensors) {
  const std::array<tensor_source, sizeof...(Tensors)> sources{source_of(tensors)...};
  const batch_split split = internals::agree_on_split(model, call_kind::audit, sources);
  const thread_scope scope(model.threads());
  internals::require_plan(model, split);
  pipeline& line = internals::training(model, split);
  const std::span<std::byte> states = internals::store(model).state_block();
  const std::vector<std::byte> states_before(states.begin(), states.end());
  const auto run = [&] {
    const float loss = internals::run_training(model, sources, split);
    std::ranges::copy(states_before, states.begin());
    const std::span<const std::byte> gradients = internals::store(model).gradient_block();
    return detail::step_result{std::bit_cast<std::uint32_t>(loss), {gradients.begin(), gradients.end()}};
  };

  rank_audit r;
  r.planned_bytes = line.layout().bytes();
  r.guards_intact = r.gives_the_same_bits = true;
  const detail::step_result expected = run();
  detail::arena_usage usage(r.planned_bytes);
  for (const std::byte fill : {std::byte{0xa5}, std::byte{0x5a}}) {
    const detail::guarded_arena arena(line, fill);
    r.gives_the_same_bits = run() == expected && r.gives_the_same_bits;
    r.guards_intact = r.guards_intact && arena.is_intact(fill);
    usage.add_changed(arena.activations(), fill);
    internals::bind(model, line);
  }
  line.each_buffer([&](std::size_t at, std::size_t bytes) { usage.add_planned(at, bytes); });
  r.uses_what_is_planned = usage.is_as_planned();
  r.used_bytes = usage.used_bytes();
  return r;
}

}  // namespace remat
