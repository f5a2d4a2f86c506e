// SPDX-License-Identifier: MIT
/// A trace: when a rank did what in its last step, in seconds since the step began.
#pragma once

#include <remat/schedule/schedule_table.hpp>

#include <chrono>
#include <cstddef>
#include <vector>

namespace remat {

class pipeline_trace {
 public:
  struct span {
    double begin = 0, end = 0;
  };
  struct event {
    pipeline_task done = {};
    double begin = 0, end = 0;
    double waited = 0;  ///< of it, for messages
  };
  /// A part of the gradients that was summed over the replicas.
  struct reduction {
    double begin = 0, end = 0;  ///< the end as it was seen
    std::size_t bytes = 0;
  };

  void start() {
    events.clear();
    waits.clear();
    recomputations.clear();
    reductions.clear();
    waited = waited_ = last_backward = 0;
    start_ = clock::now();
  }
  void begin(const pipeline_task& t) {
    waited_ = 0;
    events.push_back({t, now(), 0, 0});
  }
  void end() {
    events.back().end = now();
    events.back().waited = waited_;
  }
  void begin_waiting() { waits.push_back({now(), 0}); }
  void end_waiting() {
    span& w = waits.back();
    w.end = now();
    waited_ += w.end - w.begin;
    waited += w.end - w.begin;
  }
  void begin_recomputing() { recomputations.push_back({now(), 0}); }
  void end_recomputing() { recomputations.back().end = now(); }
  double now() const { return seconds(clock::now() - start_); }
  /// When the step began, in seconds of the steady clock, which the processes of a node have in common.
  double begun() const { return seconds(start_.time_since_epoch()); }
  /// The steady clock now.
  static double clock_seconds() { return seconds(clock::now().time_since_epoch()); }

  std::vector<event> events;         ///< the rank's tasks, in order
  std::vector<span> waits;           ///< for messages, within tasks and between them, in order
  std::vector<span> recomputations;  ///< within backward tasks, in order
  std::vector<reduction> reductions;
  double waited = 0;         ///< in all
  double last_backward = 0;  ///< when the rank's last backward action began

 private:
  using clock = std::chrono::steady_clock;
  static double seconds(clock::duration d) { return std::chrono::duration<double>(d).count(); }

  clock::time_point start_ = clock::now();
  double waited_ = 0;
};

}  // namespace remat
