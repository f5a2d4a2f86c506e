// SPDX-License-Identifier: MIT
/// What the simulator is told of a pipeline: what its stages and messages cost.
#pragma once

#include <remat/schedule/message_times.hpp>
#include <remat/schedule/schedule_clock.hpp>
#include <remat/schedule/stage_cost.hpp>
#include <remat/schedule/stage_message.hpp>

#include <cstdint>
#include <limits>

namespace remat {

struct sized_message {
  stage_message message = {};
  double bytes = 0;  ///< of a micro-batch
};

struct network_link {
  double latency = 0;  ///< in seconds
  double bytes_per_second = std::numeric_limits<double>::infinity();
};

/// Who moves a message: a network, next to the processors, or they themselves.
enum class transfer : std::uint8_t { overlapped, copied };

struct pipeline_costs {
  core::list<stage_cost> stages = {};
  /// For each stage, the cost of each of its micro-batches, where they differ: what is of a step is that of `stages`.
  /// Empty for a stage whose micro-batches are alike; none at all where they are on all stages.
  core::list<core::list<stage_cost>> microbatches = {};
  core::list<sized_message> messages = {};  ///< none: each stage to the next and the gradients back, of 0 bytes
  network_link connection = {};
  transfer transfers = transfer::overlapped;
  bool recompute = true;        ///< false: the step without its recomputations
  bool early_recompute = true;  ///< recomputation runs while the gradient is on its way
  int replicas = 1;
  bool overlapped_all_reduce = true;
  bool has_timeline = false;
  clock_units units = {};  ///< of the nominal clock, which says when messages are posted and waited for
  posting receives = posting::early;

  constexpr const stage_cost& of(int stage, int microbatch) const {
    const bool differ = stage < microbatches.count() && !microbatches[stage].empty();
    return differ ? microbatches[stage][microbatch] : stages[stage];
  }
};

}  // namespace remat
