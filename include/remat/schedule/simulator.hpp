// SPDX-License-Identifier: MIT
/// The simulator: how long a step takes under a schedule, from what each stage and each message costs.
///
///     stages       seconds of a micro-batch forward, recomputing, backward, and of what backward leaves to a task of
///                  its own, where micro-batches differ of each of them; seconds of the optimizer; bytes of gradients for
///                  the all-reduce
///     messages     bytes of each; sent, received and waited for as message_times.hpp says, none before its receive is
///                  posted
///     transfers    overlapped: a message arrives latency + bytes / bandwidth after it left and its receive was posted,
///                  while both ranks compute; links do not slow each other down
///                  copied: as on shared memory, the processors do it: the sender is busy for bytes / bandwidth after
///                  its task, and the receiver for as long before the task that reads the message, from the moment
///                  at which the sender begins at the earliest
///     all-reduce   a ring over the replicas: 2 (n - 1) / n of the bytes and 2 (n - 1) latencies; a stage's begins
///                  with its last backward pass (overlapped) or when its rank has done all of them
///
/// The recomputation of a backward pass needs no gradient: with early recomputation it runs while the gradient is on
/// its way. Time and memory are linear in tasks and messages.
#pragma once

#include <remat/core/error.hpp>
#include <remat/core/is_at_least_0.hpp>
#include <remat/schedule/message_times.hpp>
#include <remat/schedule/pipeline_costs.hpp>
#include <remat/schedule/rank_charges.hpp>
#include <remat/schedule/rendezvous.hpp>
#include <remat/schedule/schedule_clock.hpp>
#include <remat/schedule/schedule_rules.hpp>
#include <remat/schedule/schedule_table.hpp>
#include <remat/schedule/simulated_step.hpp>
#include <remat/schedule/stage_cost.hpp>
#include <remat/schedule/stage_message.hpp>

#include <cstddef>
#include <string>
#include <utility>

namespace remat {

namespace detail {

[[noreturn]] inline void refuse_simulation(const std::string& complaint) { throw error("simulate: " + complaint); }
[[noreturn]] inline void refuse_stage_costs(int costs, int stages) {
  refuse_simulation("there are costs of " + std::to_string(costs) + " stages, and the schedule has " +
                    std::to_string(stages));
}

[[noreturn]] inline void refuse_microbatch_costs(int stage, int costs, int microbatches) {
  refuse_simulation("there are costs of " + std::to_string(costs) + " micro-batches of stage " + std::to_string(stage) +
                    ", and the schedule has " + std::to_string(microbatches) +
                    "; give those of all of them, or none where they are alike");
}

constexpr bool is_at_least_0(const stage_cost& c) {
  return is_at_least_0(c.forward) && is_at_least_0(c.recompute) && is_at_least_0(c.backward) &&
         is_at_least_0(c.backward_parameters) && is_at_least_0(c.update) && is_at_least_0(c.gradient_bytes);
}

constexpr void check_simulation(const pipeline_costs& s, const schedule_table& table) {
  if (s.stages.count() != table.stages) refuse_stage_costs(s.stages.count(), table.stages);
  bool is_possible = is_at_least_0(s.connection.latency) && s.connection.bytes_per_second > 0;
  for (const stage_cost& c : s.stages) is_possible = is_possible && is_at_least_0(c);
  if (s.microbatches.count() > table.stages) refuse_stage_costs(s.microbatches.count(), table.stages);
  for (int stage = 0; stage < s.microbatches.count(); ++stage) {
    const core::list<stage_cost>& each = s.microbatches[stage];
    if (!each.empty() && each.count() != table.microbatches)
      refuse_microbatch_costs(stage, each.count(), table.microbatches);
    for (const stage_cost& c : each) is_possible = is_possible && is_at_least_0(c);
  }
  for (const sized_message& m : s.messages) is_possible = is_possible && is_at_least_0(m.bytes);
  if (!is_possible) refuse_simulation("seconds and bytes are finite and at least 0, a bandwidth is above 0");
  if (s.replicas < 1) refuse_simulation("there is at least 1 replica");
}

}  // namespace detail

/// Runs a step. Throws `error` where the schedule cannot run or a cost is none.
constexpr simulated_step simulate(const schedule_table& table, const pipeline_costs& s) {
  bool is_training = false;
  for (const core::list<pipeline_task>& row : table.rows)
    for (const pipeline_task& t : row)
      is_training = is_training || (is_known(t.kind) && rules_of(t.kind).last > pass_kind::forward);
  check_tasks(table, is_training);
  detail::check_simulation(s, table);
  core::list<stage_message> messages;
  for (const sized_message& m : s.messages) messages.push_back(m.message);
  if (messages.empty()) messages = neighbour_messages(table.stages, is_training);
  const message_timetable times = message_times(table, nominal_clock(table, s.units), std::move(messages), s.receives);

  simulated_step result;
  result.ranks = core::list<rank_times>(table.rows.size());
  detail::rank_charges costs(s, table, times, result);
  rendezvous_run run(table, times, costs);
  const core::list<stuck_rank> stuck = run.run();
  if (!stuck.empty()) detail::refuse_stuck(stuck, table, times);

  core::list<core::list<int>> stages(table.rows.size());
  core::list<char> is_known(static_cast<std::size_t>(table.stages));
  for (int rank = 0; rank < table.ranks(); ++rank)
    for (const pipeline_task& t : table.rows[rank])
      if (is_known[t.stage] == 0) {
        is_known[t.stage] = 1;
        stages[rank].push_back(t.stage);
      }
  for (int rank = 0; rank < table.ranks(); ++rank) {
    result.ranks[rank].end = is_training ? costs.finish(rank, stages[rank], run.end_of(rank)) : run.end_of(rank);
    if (result.ranks[rank].end > result.seconds) result.seconds = result.ranks[rank].end;
  }
  return result;
}

}  // namespace remat
