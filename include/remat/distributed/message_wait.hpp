// SPDX-License-Identifier: MIT
/// Waiting that leaves the cores to those who compute.
///
/// MPI makes progress inside its calls alone, and a rank that waits tests again and again. Where there are more ranks
/// (times threads) than cores on a host, or where other programs hold the cores, a rank that spins takes a core from
/// another that computes. So
///
///     spinning    tests without a pause: for ranks that have their cores to themselves
///     sleeping    tests some 50 times, then sleeps, again and again: a hop takes tens of microseconds
///     automatic   spins for half a millisecond, and then sleeps in between; and sleeps from the start for a second
///                 after it was found out that the core was taken away in the middle of a spin
///
/// A sleep is never longer than a fiftieth of the time that was waited already, and grows with it: each look at the
/// network interrupts a rank that computes with all cores.
///
/// While a rank waits, its session looks after the others every 100 milliseconds (roll_call.hpp).
#pragma once

#include <remat/core/language.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <thread>

namespace remat::mpi {

/// How a rank waits.
enum class wait_mode : std::uint8_t { automatic, spinning, sleeping };

/// Of the ranks of a host, which have `threads` threads together on `cores` cores: where one of them asks for another
/// way than `automatic`, all wait so, and `sleeping` goes before `spinning`.
inline wait_mode wait_mode_of_host(wait_mode wanted, std::uint64_t threads, int cores) {
  const bool is_crowded = threads > static_cast<std::uint64_t>(cores);
  return wanted == wait_mode::automatic && is_crowded ? wait_mode::sleeping : wanted;
}

/// What is done now and then while a rank waits. A session says what.
struct lookout {
  /// Given the seconds for which the wait has lasted.
  static inline void (*look)(double seconds) = nullptr;
};

namespace detail {

/// One wait: when it spins, and how long it sleeps.
class wait_pace {
 public:
  using clock = std::chrono::steady_clock;

  explicit wait_pace(wait_mode how) : how_(how) {}

  /// After some tests that were in vain.
  void pause() {
    const clock::time_point now = clock::now();
    if (how_ == wait_mode::automatic && has_spun_ && now - last_ > core_was_taken) crowded_until_ = now + crowded_for;
    if (now >= look_) {
      look_ = now + std::chrono::milliseconds(100);
      if (lookout::look != nullptr) lookout::look(std::chrono::duration<double>(now - begun_).count());
    }
    const clock::duration waited = now - begun_;
    has_spun_ =
        how_ == wait_mode::spinning || (how_ == wait_mode::automatic && waited < spins_for && now >= crowded_until_);
    if (!has_spun_) std::this_thread::sleep_for(std::clamp<clock::duration>(waited / 50, shortest, longest));
    last_ = clock::now();
  }

 private:
  static constexpr clock::duration spins_for = std::chrono::microseconds(500);
  static constexpr clock::duration core_was_taken = std::chrono::microseconds(1000);  // 50 tests take about 10
  static constexpr clock::duration crowded_for = std::chrono::seconds(1);
  static constexpr clock::duration shortest = std::chrono::microseconds(1);  // what the system makes of it: about 50
  static constexpr clock::duration longest = std::chrono::milliseconds(1);
  static inline clock::time_point crowded_until_ = {};

  wait_mode how_;
  bool has_spun_ = false;
  clock::time_point begun_ = clock::now(), last_ = begun_;
  clock::time_point look_ = begun_ + std::chrono::milliseconds(100);
};

}  // namespace detail

/// Tests until it is true. The test is what makes MPI go on.
template <class Test>
void wait_until(wait_mode how, const Test& test) {
  constexpr int tests_before_pause = 50;
  if (test()) return;
  detail::wait_pace pace(how);
  for (int tests = 0; !test();) {
    if (++tests < tests_before_pause) continue;
    tests = 0;
    pace.pause();
  }
}

}  // namespace remat::mpi
