// SPDX-License-Identifier: MIT
/// What the simulator says of a step.
#pragma once

#include <remat/core/list.hpp>
#include <remat/schedule/stage_cost.hpp>
#include <remat/schedule/timeline.hpp>

namespace remat {

struct simulated_step {
  double seconds = 0;
  core::list<rank_times> ranks = {};
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
