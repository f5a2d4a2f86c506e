// SPDX-License-Identifier: MIT
/// What the simulator is told of a pipeline, and what it says of a step.
#pragma once

#include <remat/dist/message_times.hpp>
#include <remat/dist/schedule_clock.hpp>
#include <remat/dist/stage_cost.hpp>
#include <remat/dist/stage_message.hpp>
#include <remat/run/timeline.hpp>

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

/// Who moves a message: a network, beside the processors, or they themselves.
enum class transfer : std::uint8_t { overlapped, copied };

struct simulation {
  list<stage_cost> stages = {};
  list<sized_message> messages = {};  ///< none: each stage to the next and the gradients back, of 0 bytes
  network_link connection = {};
  transfer transfers = transfer::overlapped;
  bool recompute = true;        ///< false: the step without its recomputations
  bool early_recompute = true;  ///< recomputation runs while the gradient is on its way
  int replicas = 1;
  bool overlapped_all_reduce = true;
  bool has_timeline = false;
  clock_units units = {};  ///< of the nominal clock, which says when messages are posted and waited for
  posting receives = posting::early;
};

struct simulated_step {
  double seconds = 0;
  list<rank_times> ranks = {};
  timeline events = {};  ///< with has_timeline; in no particular order

  /// The seconds in which a rank does nothing.
  constexpr double idle(int rank) const { return seconds - ranks[rank].busy(); }
  /// The share of the step in which a rank does nothing.
  constexpr double bubble(int rank) const { return seconds > 0 ? idle(rank) / seconds : 0; }
  /// The mean of all ranks.
  constexpr double bubble() const {
    double sum = 0;
    for (int rank = 0; rank < ranks.count(); ++rank) sum += bubble(rank);
    return ranks.empty() ? 0 : sum / static_cast<double>(ranks.size());
  }
  /// The share of all recomputation that ran before the gradient was there.
  constexpr double hidden_recompute() const {
    double all = 0, hidden = 0;
    for (const rank_times& r : ranks) {
      all += r.recompute;
      hidden += r.hidden;
    }
    return all > 0 ? hidden / all : 0;
  }
};

}  // namespace remat
