// SPDX-License-Identifier: MIT
/// Tasks of unequal length on the cores, each done by one thread from its beginning to its end.
#pragma once

#include <remat/core/parallel.hpp>
#include <remat/core/thread_scope.hpp>

#include <atomic>
#include <cstddef>

namespace remat::nn::detail {

/// f(task, worker) for each task, the first ones first, by at most `workers` at once: no two that run at the same time
/// are given the same worker, so that what belongs to one (scratch, a primitive's arguments) is used by nobody else.
template <class F>
void each_task(std::size_t tasks, std::size_t workers, const F& f) {
  if (workers == 1 || !remat::detail::programs_openmp()) {  // without it, a loop in parallel is none
    const thread_scope one(1);  // a primitive of a task is made for one thread, and would take all that there are
    for (std::size_t task = 0; task < tasks; ++task) f(task, std::size_t{0});
    return;
  }
  std::atomic<std::size_t> next{0};
  parallel_for(workers, 1, [&](std::size_t begin, std::size_t end) {
    for (std::size_t worker = begin; worker < end; ++worker)
      for (std::size_t task; (task = next.fetch_add(1, std::memory_order_relaxed)) < tasks;) f(task, worker);
  });
}

}  // namespace remat::nn::detail
