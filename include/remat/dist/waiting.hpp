// SPDX-License-Identifier: MIT
/// Waiting that leaves the core to those who compute, and does not last for ever.
///
/// MPICH makes progress inside its calls alone, and spins in them. Where there are more ranks (times threads) than
/// cores on a node, a rank that spins halves another that computes: `wait_until` then tests some 50 times and sleeps
/// shortly, again and again, which costs a hop of tens of microseconds in place of milliseconds.
#pragma once

#include <remat/core/language.hpp>

#include <chrono>
#include <thread>

namespace remat::mpi {

/// How a rank waits: it spins, or it sleeps in between.
struct waiting {
  bool sleeps = false;
};

/// Looks, while a rank waits, whether another one has left the program: a rank that still waits 5 seconds later would
/// wait for ever. A session says how to look and how to end.
class departures {
 public:
  static inline bool (*someone_left)() = nullptr;
  static inline void (*end_the_job)() = nullptr;

  /// Cheap, but for every 100 milliseconds.
  void look() {
    if (someone_left == nullptr) return;
    const auto now = std::chrono::steady_clock::now();
    if (now < next_) return;
    next_ = now + std::chrono::milliseconds(100);
    if (!someone_left()) return;
    if (!has_left_) since_ = now;
    has_left_ = true;
    if (now - since_ > std::chrono::seconds(5)) end_the_job();
  }

 private:
  std::chrono::steady_clock::time_point next_ = std::chrono::steady_clock::now() + std::chrono::milliseconds(100);
  std::chrono::steady_clock::time_point since_ = {};
  bool has_left_ = false;
};

/// Tests until it is true. The test is what makes MPI go on.
template <class Test>
void wait_until(waiting how, const Test& test) {
  constexpr int tests_before_sleep = 50;
  if (test()) return;
  departures others;
  for (int tests = 0; !test();) {
    if (++tests < tests_before_sleep) continue;
    tests = 0;
    others.look();
    if (how.sleeps) std::this_thread::sleep_for(std::chrono::microseconds(1));  // what the system makes of it: about 50
  }
}

}  // namespace remat::mpi
