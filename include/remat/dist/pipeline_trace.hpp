// SPDX-License-Identifier: MIT
/// A trace: when a rank did what in its last step, in seconds since the step began.
#pragma once

#include <remat/dist/schedule_table.hpp>

#include <chrono>
#include <cstddef>
#include <vector>

namespace remat {

class pipeline_trace {
 public:
  struct event {
    task done = {};
    double begin = 0, end = 0;
    double waited = 0;  ///< of it, for messages
  };
  /// A part of the gradients that began to be summed over the replicas.
  struct reduction {
    double begin = 0;
    std::size_t bytes = 0;
  };

  void start() {
    events.clear();
    reductions.clear();
    waited = waited_ = last_backward = 0;
    start_ = clock::now();
  }
  void begin(const task& t) {
    waited_ = 0;
    events.push_back({t, now(), 0, 0});
  }
  void end(const task&) {
    events.back().end = now();
    events.back().waited = waited_;
  }
  void begin_waiting() { wait_began_ = now(); }
  void end_waiting() {
    waited_ += now() - wait_began_;
    waited += now() - wait_began_;
  }
  double now() const { return std::chrono::duration<double>(clock::now() - start_).count(); }

  std::vector<event> events;
  std::vector<reduction> reductions;
  double waited = 0;         ///< in all
  double last_backward = 0;  ///< when the rank's last backward action began

 private:
  using clock = std::chrono::steady_clock;
  clock::time_point start_ = clock::now();
  double wait_began_ = 0, waited_ = 0;
};

}  // namespace remat
