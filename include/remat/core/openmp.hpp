// SPDX-License-Identifier: MIT
/// The runtimes of OpenMP in this process, and what remat asks and tells them.
///
/// There may be two: the one that this program is compiled for, whose threads run remat's loops, and the one that
/// oneDNN calls, whose threads run its primitives. With g++ both are libgomp. A program of clang has libomp, which
/// replaces libgomp, so that it is both again, unless libgomp was loaded first. A program that is compiled without
/// OpenMP has oneDNN's alone. That one is found by the names and versions that oneDNN asks the dynamic linker for.
#pragma once

#include <remat/core/language.hpp>

#ifdef _OPENMP
#include <omp.h>
#endif

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <type_traits>
#include <vector>

#ifdef __GLIBC__  // which any header of the standard library defines
#include <dlfcn.h>
#endif

namespace remat::detail {

/// Its functions; all are null where there is no runtime.
struct openmp_runtime {
  int (*max_threads)() = nullptr;
  void (*set_threads)(int) = nullptr;
  int (*is_dynamic)() = nullptr;
  void (*set_dynamic)(int) = nullptr;
  int (*in_parallel)() = nullptr;
  int (*thread_limit)() = nullptr;
  int (*max_active_levels)() = nullptr;
  /// Runs a function on a team of at most that many threads: what `#pragma omp parallel` is to oneDNN.
  void (*run_on_team)(void (*)(void*), void*, unsigned threads, unsigned flags) = nullptr;
  /// Where its threads are bound, if they are: places, each of a few processors. Null where it cannot say.
  int (*places)() = nullptr;
  int (*processors_of_place)(int place) = nullptr;
  void (*list_processors_of_place)(int place, int* numbers) = nullptr;
  /// Whether what other threads of the process do can make a team smaller, as it can in libomp.
  bool shares_threads = false;

  explicit operator bool() const { return max_threads != nullptr; }

  /// The threads that a parallel region of the calling thread may have, asked for `wanted` and none left out for being
  /// busy: within an active parallel region oneDNN runs a primitive on the calling thread alone.
  int allowed(int wanted) const {
    if (max_threads == nullptr) return 1;
    return in_parallel() != 0 ? 1 : limited(wanted);
  }
  /// The same outside of any region.
  int limited(int wanted) const {
    if (max_threads == nullptr || max_active_levels() < 1) return 1;
    return std::max(1, std::min(wanted, thread_limit()));
  }
};

/// The one that this program is compiled for.
inline openmp_runtime programs_openmp() {
#ifdef _OPENMP
  return {omp_get_max_threads, omp_set_num_threads,     omp_get_dynamic,           omp_set_dynamic,
          omp_in_parallel,     omp_get_thread_limit,    omp_get_max_active_levels, nullptr,
          omp_get_num_places,  omp_get_place_num_procs, omp_get_place_proc_ids,    false};
#else
  return {};
#endif
}

inline openmp_runtime look_up_openmp_of_onednn() {
#ifdef __GLIBC__
  openmp_runtime r;
  const auto find = [](auto& function, const char* name, const char* version) {
    function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(dlvsym(RTLD_DEFAULT, name, version));
    return function != nullptr;
  };
  if (find(r.max_threads, "omp_get_max_threads", "OMP_1.0") && find(r.set_threads, "omp_set_num_threads", "OMP_1.0") &&
      find(r.is_dynamic, "omp_get_dynamic", "OMP_1.0") && find(r.set_dynamic, "omp_set_dynamic", "OMP_1.0") &&
      find(r.in_parallel, "omp_in_parallel", "OMP_1.0") && find(r.thread_limit, "omp_get_thread_limit", "OMP_3.0") &&
      find(r.max_active_levels, "omp_get_max_active_levels", "OMP_3.0") &&
      find(r.run_on_team, "GOMP_parallel", "GOMP_4.0")) {
    if (!find(r.processors_of_place, "omp_get_place_num_procs", "OMP_4.5") ||
        !find(r.list_processors_of_place, "omp_get_place_proc_ids", "OMP_4.5") ||
        !find(r.places, "omp_get_num_places", "OMP_4.5"))
      r.places = nullptr;
    r.shares_threads = dlsym(RTLD_DEFAULT, "kmp_get_blocktime") != nullptr;
    return r;
  }
#endif
  return programs_openmp();
}

/// The one that oneDNN calls.
inline const openmp_runtime& openmp_of_onednn() {
  static const openmp_runtime found = look_up_openmp_of_onednn();
  return found;
}

/// The processors on which a runtime binds threads; none where it binds none. A thread's own affinity is a part of them
/// then, and that of the first thread is from the moment when the runtime was loaded.
inline std::vector<int> processors_of_places(const openmp_runtime& r) {
  std::vector<int> all;
  for (int place = 0, places = r.places != nullptr ? r.places() : 0; place < places; ++place) {
    const std::size_t before = all.size();
    all.resize(before + static_cast<std::size_t>(r.processors_of_place(place)));
    if (all.size() > before) r.list_processors_of_place(place, all.data() + before);
  }
  return all;
}

/// The threads of a team that is opened now.
inline int count_team(const openmp_runtime& r, int wanted) {
  if (r.run_on_team == nullptr) return wanted;
  std::atomic<int> count = 0;
  r.run_on_team([](void* counter) { static_cast<std::atomic<int>*>(counter)->fetch_add(1, std::memory_order_relaxed); },
                &count, static_cast<unsigned>(wanted), 0);
  return count;
}

/// While it lives, the calling thread asks a runtime for teams of `threads`, which the runtime does not make smaller on
/// its own account.
class team_setting {
 public:
  team_setting(const openmp_runtime& r, int threads) : runtime_(r) {
    if (!r) return;
    threads_ = r.max_threads();
    is_dynamic_ = r.is_dynamic();
    if (is_dynamic_ != 0) r.set_dynamic(0);
    change(threads);
  }
  ~team_setting() {
    if (!runtime_) return;
    change(threads_);
    if (is_dynamic_ != 0) runtime_.set_dynamic(is_dynamic_);
  }
  team_setting(const team_setting&) = delete;
  team_setting& operator=(const team_setting&) = delete;

  void change(int threads) const {
    if (runtime_ && runtime_.max_threads() != threads) runtime_.set_threads(threads);
  }

 private:
  openmp_runtime runtime_;
  int threads_ = 0, is_dynamic_ = 0;
};

}  // namespace remat::detail
