// SPDX-License-Identifier: MIT
/// How many threads there are, and a scope in which there are that many.
///
/// A primitive of oneDNN is made for a number of threads. In a team of another size it gives wrong numbers without a
/// word, or waits for ever for threads that are not there. So whoever makes or runs primitives does so in a
/// `thread_scope`, which finds out how many threads the calling thread's teams really have: OMP_THREAD_LIMIT, an active
/// parallel region around the call and OMP_MAX_ACTIVE_LEVELS = 0 leave fewer than were asked for. OMP_DYNAMIC is
/// switched off for the time of the scope.
#pragma once

#include <remat/core/error.hpp>
#include <remat/core/openmp.hpp>

#include <algorithm>
#include <string>

namespace remat {

/// A model has at most this many.
inline constexpr int most_threads = 1024;

/// Threads of a model that is built without a number: as many as OpenMP gives the calling thread outside of parallel
/// regions.
inline int thread_count() {
  const detail::openmp_runtime& r = detail::openmp_of_onednn();
  return r ? r.limited(std::min(r.max_threads(), most_threads)) : 1;
}

/// Threads on which a primitive runs that the calling thread starts now. A `thread_scope` makes it true.
inline int primitive_threads() {
  const detail::openmp_runtime& r = detail::openmp_of_onednn();
  return r ? (r.in_parallel() != 0 ? 1 : r.max_threads()) : 1;
}

namespace detail {

/// Why there are fewer threads than `wanted`; null where no setting is to blame.
inline const char* what_limits_threads(int wanted) {
  const openmp_runtime& r = openmp_of_onednn();
  if (!r) return "this program has no OpenMP";
  if (r.max_active_levels() < 1) return "OMP_MAX_ACTIVE_LEVELS is 0";
  if (r.thread_limit() < wanted) return "OMP_THREAD_LIMIT allows no more";
  if (r.in_parallel() != 0 || programs_openmp().allowed(2) < 2)
    return "within an active parallel region a model runs on the calling thread alone";
  return nullptr;
}

[[noreturn]] inline void refuse_threads(int wanted, int team) {
  const char* const why = what_limits_threads(wanted);
  throw error("a model of " + std::to_string(wanted) + " threads has " + std::to_string(team) +
              " here: " + (why != nullptr ? why : "OpenMP gives no more") +
              "; build it with .threads = " + std::to_string(team) + ", or with 0 for as many as there are");
}

/// What a thread knows of its teams: libgomp gives one of the same size again. Where other threads may take some away,
/// it holds until the outermost scope ends.
struct known_team {
  int threads = 0, scopes = 0;
};
inline thread_local known_team team_of_this_thread;

}  // namespace detail

/// While it lives, primitives and parallel loops that the calling thread starts use `threads` threads, or as many as
/// there are.
class thread_scope {
 public:
  /// `must_be_there`: throws `error` where there are fewer.
  explicit thread_scope(int threads, bool must_be_there = false)
      : program_(detail::programs_openmp(), threads), onednn_(detail::openmp_of_onednn(), threads) {
    const detail::openmp_runtime& r = detail::openmp_of_onednn();
    detail::known_team& known = detail::team_of_this_thread;
    threads_ = r.allowed(threads);
    if (detail::programs_openmp()) threads_ = std::min(threads_, detail::programs_openmp().allowed(threads));
    if (threads_ > 1 && known.threads != threads_) threads_ = known.threads = detail::count_team(r, threads_);
    if (threads_ < threads && must_be_there) detail::refuse_threads(threads, threads_);
    program_.change(threads_);
    onednn_.change(threads_);
    ++known.scopes;
  }
  ~thread_scope() {
    detail::known_team& known = detail::team_of_this_thread;
    if (--known.scopes == 0 && detail::openmp_of_onednn().shares_threads) known.threads = 0;
  }
  thread_scope(const thread_scope&) = delete;
  thread_scope& operator=(const thread_scope&) = delete;

  /// Those that there are.
  int threads() const { return threads_; }

 private:
  detail::team_setting program_, onednn_;
  int threads_ = 1;
};

}  // namespace remat
