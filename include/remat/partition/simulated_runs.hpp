// SPDX-License-Identifier: MIT
/// The same schedule simulated again and again, with other costs of its stages: its messages and their times are found
/// once, and take no time.
#pragma once

#include <remat/partition/pipeline_timetable.hpp>
#include <remat/schedule/pipeline_costs.hpp>
#include <remat/schedule/rank_charges.hpp>
#include <remat/schedule/rendezvous.hpp>
#include <remat/schedule/schedule_table.hpp>
#include <remat/schedule/simulated_step.hpp>
#include <remat/schedule/task_positions.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <vector>

namespace remat::detail {

/// How long a step takes, and what it is compared by where it takes equally long: when its ranks are done, and how long
/// they compute, which differs by what they compute again.
struct step_length {
  double seconds = 0, ends = 0, busy = 0;

  /// Shorter by more than rounding.
  bool is_below(const step_length& other) const {
    for (const auto member : {&step_length::seconds, &step_length::ends, &step_length::busy}) {
      const double slack = 1e-9 * other.seconds;
      if (this->*member < other.*member - slack) return true;
      if (this->*member > other.*member + slack) return false;
    }
    return false;
  }
  /// To sort by.
  std::array<long long, 3> in_units_of(double unit) const {
    return {std::llround(seconds / unit), std::llround(ends / unit), std::llround(busy / unit)};
  }
};

class simulated_runs {
 public:
  /// What it is made of must outlive it.
  simulated_runs(const schedule_table& table, const task_positions& positions, const pipeline_timetable& timetable,
                 std::vector<stage_cost> stages)
      : table_(&table), times_(&timetable.times), updates_(table.rows.size()) {
    for (const stage_message& each : times_->messages) given_.messages.push_back({each, 0});
    given_.microbatches = core::list<core::list<stage_cost>>(stages.size());
    for (std::size_t s = 0; s < stages.size(); ++s) {
      updates_[static_cast<std::size_t>(positions.rank_of(static_cast<int>(s)))] += stages[s].update;
      given_.stages.push_back(stages[s]);
    }
  }

  /// Of a stage, in all micro-batches.
  void set(int stage, const stage_cost& cost) {
    given_.stages[stage] = cost;
    given_.microbatches[stage].clear();
  }
  /// Of a stage, in one of them.
  void set(int stage, int microbatch, const stage_cost& cost) {
    core::list<stage_cost>& all = given_.microbatches[stage];
    if (all.empty()) all = core::list<stage_cost>(static_cast<std::size_t>(table_->microbatches), given_.stages[stage]);
    all[microbatch] = cost;
  }

  step_length run() const {
    simulated_step result;
    result.ranks = core::list<rank_times>(table_->rows.size());
    rank_charges charges(given_, *table_, *times_, result);
    rendezvous_run pipeline(*table_, *times_, charges);
    pipeline.run();
    step_length made;
    for (int rank = 0; rank < table_->ranks(); ++rank) {
      const double end = pipeline.end_of(rank) + updates_[static_cast<std::size_t>(rank)];
      made.seconds = std::max(made.seconds, end);
      made.ends += end;
      made.busy += result.ranks[rank].busy();
    }
    return made;
  }

 private:
  const schedule_table* table_;
  const message_timetable* times_;
  std::vector<double> updates_;  // of each rank
  pipeline_costs given_ = {};
};

}  // namespace remat::detail
