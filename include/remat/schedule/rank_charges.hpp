// SPDX-License-Identifier: MIT
/// What the simulator charges a rank for each step of a schedule's run (rendezvous.hpp), and what it writes down: the
/// seconds by kind and, where it is wanted, the events. simulator.hpp says what the costs mean.
#pragma once

#include <remat/schedule/message_times.hpp>
#include <remat/schedule/pipeline_costs.hpp>
#include <remat/schedule/schedule_table.hpp>
#include <remat/schedule/simulated_step.hpp>
#include <remat/schedule/stage_message.hpp>
#include <remat/schedule/timeline.hpp>

namespace remat {

namespace detail {

/// The costs of a simulated run, and what each rank has spent so far.
class rank_charges {
 public:
  constexpr rank_charges(const pipeline_costs& s, const schedule_table& table, const message_timetable& times,
                         simulated_step& result)
      : s_(s),
        result_(result),
        microbatches_(table.microbatches),
        transfers_(times.messages.size()),
        recomputes_(table.rows.size()),
        reduced_(table.rows.size()) {
    for (int i = 0; i < s.messages.count(); ++i) transfers_[i] = s.messages[i].bytes / s.connection.bytes_per_second;
    for (int i = 0; i < times.messages.count(); ++i) kinds_.push_back(times.messages[i]);
  }

  constexpr double begin(int rank, const pipeline_task& t, double now) {
    recomputes_[rank] = {now, now, now};
    return s_.early_recompute ? recompute(rank, t, now) : now;
  }
  constexpr double receive(int rank, int message, double left, double posted, double now) {
    const double seconds = transfers_[message / microbatches_];
    double arrived = left + s_.connection.latency;
    if (s_.transfers == transfer::overlapped) {
      arrived = latest(left, posted) + s_.connection.latency + seconds;
      record(rank, activity::transfer, message, latest(left, posted), arrived);
    }
    if (arrived > recomputes_[rank].arrived) recomputes_[rank].arrived = arrived;
    now = wait(rank, message, now, arrived);
    return s_.transfers == transfer::overlapped ? now : copy(rank, message, now, now + seconds);
  }
  constexpr double run(int rank, const pipeline_task& t, double now) {
    const task_rules& rules = rules_of(t.kind);
    if (!s_.early_recompute) now = recompute(rank, t, now);
    const recomputation& r = recomputes_[rank];
    const double hidden = (r.arrived < r.end ? r.arrived : r.end) - r.begin;
    if (hidden > 0) result_.ranks[rank].hidden += hidden;
    double seconds = 0;
    each_pass(t.kind, [&](pass_kind pass) { seconds += s_.of(t.stage, t.microbatch).*rules_of(pass).seconds; });
    result_.ranks[rank].*rules.spent += seconds;
    return record(rank, rules.shown, t.stage, t.microbatch, now, now + seconds);
  }
  constexpr double send(int rank, int message, double now) {
    return s_.transfers == transfer::overlapped ? now
                                                : copy(rank, message, now, now + transfers_[message / microbatches_]);
  }
  constexpr double complete(int rank, int message, double left, double posted, double now) {
    const double seconds = s_.transfers == transfer::overlapped
                               ? s_.connection.latency + transfers_[message / microbatches_]
                               : 0;  // it was copied, and waits only to be met
    return wait(rank, message, now, latest(left, posted) + seconds);
  }
  constexpr double end(int rank, const pipeline_task& t, double now) {
    const bool is_final = rules_of(t.kind).does(pass_kind::backward_parameters) && t.microbatch == microbatches_ - 1;
    if (!is_final || !s_.overlapped_all_reduce) return now;
    if (s_.transfers == transfer::copied) return all_reduce(rank, t.stage, now, true);
    reduced_[rank] = all_reduce(rank, t.stage, latest(reduced_[rank], now), false);
    return now;
  }
  /// When a rank that is done with its row has the gradients of all replicas and has updated its stages.
  constexpr double finish(int rank, const core::list<int>& stages, double now) {
    if (!s_.overlapped_all_reduce)
      for (const int stage : stages) now = all_reduce(rank, stage, now, true);
    if (reduced_[rank] > now) {
      result_.ranks[rank].all_reduce += reduced_[rank] - now;
      now = reduced_[rank];
    }
    for (const int stage : stages) {
      result_.ranks[rank].update += s_.stages[stage].update;
      now = record(rank, activity::update, stage, -1, now, now + s_.stages[stage].update);
    }
    return now;
  }

 private:
  struct recomputation {
    double begin = 0, end = 0;  ///< of the task that the rank does
    double arrived = 0;         ///< when the last of what it reads did
  };

  static constexpr double latest(double a, double b) { return a > b ? a : b; }

  /// The task that goes back computes again what it reads.
  constexpr double recompute(int rank, const pipeline_task& t, double now) {
    if (!rules_of(t.kind).does(pass_kind::backward_input)) return now;
    const double seconds = s_.recompute ? s_.of(t.stage, t.microbatch).recompute : 0;
    recomputes_[rank].begin = now;
    recomputes_[rank].end = now + seconds;
    result_.ranks[rank].recompute += seconds;
    return record(rank, activity::recompute, t.stage, t.microbatch, now, now + seconds);
  }
  constexpr double wait(int rank, int message, double now, double until) {
    if (until <= now) return now;
    record(rank, activity::wait, message, now, until);
    return until;
  }
  constexpr double copy(int rank, int message, double from, double to) {
    result_.ranks[rank].copy += to - from;
    record(rank, activity::copy, message, from, to);
    return to;
  }
  constexpr double all_reduce(int rank, int stage, double now, bool is_paid) {
    const double others = s_.replicas - 1;
    const double seconds =
        2 * others *
        (s_.stages[stage].gradient_bytes / s_.replicas / s_.connection.bytes_per_second + s_.connection.latency);
    if (is_paid) result_.ranks[rank].all_reduce += seconds;
    return record(rank, activity::all_reduce, stage, -1, now, now + seconds);
  }

  constexpr double record(int rank, activity what, int stage, int microbatch, double from, double to) {
    if (s_.has_timeline && to > from) result_.events.push_back({rank, what, stage, microbatch, from, to});
    return to;
  }
  constexpr void record(int rank, activity what, int message, double from, double to) {
    if (!s_.has_timeline) return;
    record(rank, what, kinds_[message / microbatches_].to, message % microbatches_, from, to);
  }

  const pipeline_costs& s_;
  simulated_step& result_;
  int microbatches_;
  core::list<double> transfers_;  ///< seconds of each message
  core::list<recomputation> recomputes_;
  core::list<double> reduced_;  ///< when a rank's all-reduces are done
  core::list<stage_message> kinds_;
};

}  // namespace detail

}  // namespace remat
