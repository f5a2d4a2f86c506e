// SPDX-License-Identifier: MIT
/// What a schedule must keep to before anything runs. The first broken rule is an `error` that names the row (its rank,
/// its position, its task) and what would be accepted.
///
///     check_tasks     every stage is on one rank; each of its micro-batches goes through each pass once, through those
///                     of backward in training alone, and through the passes in their order; micro-batches go through
///                     a pass in ascending order
///     check_schedule  that; no task waits for ever, be it for data or, where no message leaves before its receive is
///                     posted, for a message; no stage keeps more micro-batches than its bound
#pragma once

#include <remat/core/error.hpp>
#include <remat/schedule/message_times.hpp>
#include <remat/schedule/rendezvous.hpp>
#include <remat/schedule/schedule_clock.hpp>
#include <remat/schedule/schedule_table.hpp>
#include <remat/schedule/stage_message.hpp>
#include <remat/schedule/task_positions.hpp>
#include <remat/schedule/task_text.hpp>

#include <cstddef>
#include <iterator>
#include <string>
#include <utility>

namespace remat {

struct schedule_terms {
  bool is_training = true;
  core::list<stage_message> messages = {};  ///< none: each stage to the next, and the gradients back
  core::list<int> in_flight_bounds = {};    ///< for each stage the micro-batches that it may keep; none: any number
  clock_units units = {};             ///< of the nominal clock
  posting receives = posting::early;
};

namespace detail {

[[noreturn]] inline void refuse_row(const schedule_table& table, int rank, int position, const std::string& complaint) {
  throw error("schedule: " + row_text(table, rank, position) + ": " + complaint);
}
[[noreturn]] inline void refuse_numbers(const schedule_table& table) {
  throw error("schedule: stages, micro-batches and ranks are at least 1 each, not " + std::to_string(table.stages) +
              ", " + std::to_string(table.microbatches) + " and " + std::to_string(table.ranks()));
}
[[noreturn]] inline void refuse_absent_stage(const schedule_table& table, int stage) {
  throw error("schedule: stage " + std::to_string(stage) + " is on no rank; each of the stages 0 to " +
              std::to_string(table.stages - 1) + " needs its tasks on one rank");
}

/// A task came whose micro-batch is not the next one of its stage in a pass: it comes twice, too early, or another is
/// missing.
[[noreturn]] inline void refuse_order(const schedule_table& table, int rank, int position, pass_kind pass, int next) {
  const core::list<pipeline_task>& row = table.rows[rank];
  const pipeline_task& t = row[position];
  const pipeline_task wanted{t.kind, t.stage, next};
  const auto does = [&](int p, int microbatch) {
    return row[p].stage == t.stage && row[p].microbatch == microbatch && is_known(row[p].kind) &&
           rules_of(row[p].kind).does(pass);
  };
  for (int p = 0; p < position; ++p)
    if (does(p, t.microbatch))
      refuse_row(table, rank, position,
                 row[p] == t
                     ? "this task is at position " + std::to_string(p) + " already; each comes once"
                     : "position " + std::to_string(p) + " (" + task_text(row[p]) + ") does the " +
                           std::string(rules_of(pass).name) + " already; a micro-batch goes through each pass once");
  for (int p = position; p < row.count(); ++p)
    if (does(p, next))
      refuse_row(table, rank, position,
                 "it comes before micro-batch " + std::to_string(next) + " (position " + std::to_string(p) +
                     "); a stage passes micro-batches in ascending order, since gradients accumulate in it");
  refuse_row(
      table, rank, position,
      "there is no " + task_text(wanted) + " in front of it; a stage passes each micro-batch once, in ascending order");
}
[[noreturn]] inline void refuse_missing(const schedule_table& table, int rank, const pipeline_task& missing) {
  throw error("schedule: rank " + std::to_string(rank) + ", which has stage " + std::to_string(missing.stage) +
              ", ends at position " + std::to_string(table.rows[rank].count()) + " without the " + task_text(missing) +
              "; each of the micro-batches 0 to " + std::to_string(table.microbatches - 1) + " passes once");
}
[[noreturn]] inline void refuse_bounds(const schedule_table& table, int bounds) {
  throw error("schedule: " + std::to_string(bounds) + " bounds on micro-batches in flight for " +
              std::to_string(table.stages) + " stages; give one for each stage, or none");
}

[[noreturn]] inline void refuse_stuck(const core::list<stuck_rank>& stuck, const schedule_table& table,
                                      const message_timetable& times) {
  throw error("schedule: it cannot run where no message leaves before its receive is posted:" +
              stuck_text(stuck, table, times));
}
[[noreturn]] inline void refuse_other_rank(const schedule_table& table, int rank, int position, int first) {
  refuse_row(table, rank, position,
             "the stage is on rank " + std::to_string(first) + " already; a stage is on one rank");
}
[[noreturn]] inline void refuse_kept(const schedule_table& table, int rank, int position, int kept, int bound) {
  refuse_row(table, rank, position,
             "the stage then keeps " + std::to_string(kept) + " micro-batches, and may keep " + std::to_string(bound) +
                 "; put a backward pass of it in front");
}

/// The next micro-batch of each pass of a stage.
struct progress_of_stage {
  int rank = -1;
  int next[std::size(pass_table)] = {};

  constexpr int& of(pass_kind pass) { return next[static_cast<std::size_t>(pass)]; }
};

constexpr void check_task(const schedule_table& table, int rank, int position, progress_of_stage& stage,
                          bool is_training) {
  const pipeline_task& t = table.rows[rank][position];
  if (stage.rank < 0) stage.rank = rank;
  if (stage.rank != rank) refuse_other_rank(table, rank, position, stage.rank);
  const task_rules& rules = rules_of(t.kind);
  if (rules.last != pass_kind::forward && !is_training)
    refuse_row(table, rank, position, "there is no backward pass in inference");
  each_pass(t.kind, [&](pass_kind pass) {
    if (t.microbatch != stage.of(pass)) refuse_order(table, rank, position, pass, stage.of(pass));
  });
  if (const int first = static_cast<int>(rules.first); first > 0 && stage.next[first - 1] <= t.microbatch)
    refuse_row(table, rank, position,
               "it comes before the " + std::string(pass_table[first - 1].name) + "; it must come after it");
  each_pass(t.kind, [&](pass_kind pass) { ++stage.of(pass); });
}

}  // namespace detail

/// Whether any of its tasks is one of training.
constexpr bool goes_back(const schedule_table& table) {
  for (const core::list<pipeline_task>& row : table.rows)
    for (const pipeline_task& t : row)
      if (is_known(t.kind) && rules_of(t.kind).last != pass_kind::forward) return true;
  return false;
}

/// The rules that each row and the set of all tasks keep to.
constexpr void check_tasks(const schedule_table& table, bool is_training = true) {
  if (table.stages < 1 || table.microbatches < 1 || table.ranks() < 1) detail::refuse_numbers(table);
  std::size_t tasks = 0;
  for (const core::list<pipeline_task>& row : table.rows) tasks += row.size();
  // Of more stages than tasks some has none: no more than that are looked at, whatever the table claims.
  const auto claimed = static_cast<std::size_t>(table.stages);
  core::list<detail::progress_of_stage> stages(claimed < tasks + 1 ? claimed : tasks + 1);
  for (int rank = 0; rank < table.ranks(); ++rank)
    for (int position = 0; position < table.rows[rank].count(); ++position) {
      const pipeline_task& t = table.rows[rank][position];
      if (!detail::is_within(table, t)) detail::refuse_foreign_task(table, rank, position);
      if (t.stage < stages.count()) detail::check_task(table, rank, position, stages[t.stage], is_training);
    }
  for (int stage = 0; stage < stages.count(); ++stage) {
    detail::progress_of_stage& s = stages[stage];
    if (s.rank < 0) detail::refuse_absent_stage(table, stage);
    const pass_kind last = is_training ? pass_kind::backward_parameters : pass_kind::forward;
    for (pass_kind pass = pass_kind::forward; pass <= last; pass = static_cast<pass_kind>(static_cast<int>(pass) + 1))
      if (s.of(pass) < table.microbatches) detail::refuse_missing(table, s.rank, {kind_with(pass), stage, s.of(pass)});
  }
}

/// No stage has more micro-batches between forward and backward (of the inputs) than its bound.
constexpr void check_in_flight(const schedule_table& table, const core::list<int>& bounds) {
  if (bounds.count() != table.stages) detail::refuse_bounds(table, bounds.count());
  core::list<int> now(static_cast<std::size_t>(table.stages));
  for (int rank = 0; rank < table.ranks(); ++rank)
    for (int position = 0; position < table.rows[rank].count(); ++position) {
      const pipeline_task& t = table.rows[rank][position];
      const task_rules& rules = rules_of(t.kind);
      now[t.stage] += (rules.does(pass_kind::forward) ? 1 : 0) - (rules.does(pass_kind::backward_input) ? 1 : 0);
      if (now[t.stage] > bounds[t.stage]) detail::refuse_kept(table, rank, position, now[t.stage], bounds[t.stage]);
    }
}

/// Throws `error` where a table breaks a rule. Time and memory are linear in tasks and messages.
constexpr void check_schedule(const schedule_table& table, const schedule_terms& terms = {}) {
  check_tasks(table, terms.is_training);
  if (!terms.in_flight_bounds.empty() && terms.is_training) check_in_flight(table, terms.in_flight_bounds);
  const schedule_clock clock = nominal_clock(table, terms.units);
  if (!clock.runs()) detail::refuse_clock(clock);
  core::list<stage_message> messages = terms.messages;
  if (messages.empty()) messages = neighbour_messages(table.stages, terms.is_training);
  const message_timetable times = message_times(table, clock, std::move(messages), terms.receives);
  free_of_cost costs;
  const core::list<stuck_rank> stuck = rendezvous_run(table, times, costs).run();
  if (!stuck.empty()) detail::refuse_stuck(stuck, table, times);
}

}  // namespace remat
