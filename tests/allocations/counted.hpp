// SPDX-License-Identifier: MIT
/// Counts the allocations of a program that links counted.cpp, through which every one passes. It is a library's if it
/// happens inside a call of that library, which is interposed too, or on a worker thread of a parallel region that it
/// started. `dnnl_primitive_execute` is; a program may mark others with `inside_library`.
#pragma once

#include <cstddef>

// The sanitizers have an allocator of their own.
#if defined(__SANITIZE_ADDRESS__)
#define REMAT_TEST_COUNTS_ALLOCATIONS 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define REMAT_TEST_COUNTS_ALLOCATIONS 0
#endif
#endif
#ifndef REMAT_TEST_COUNTS_ALLOCATIONS
#define REMAT_TEST_COUNTS_ALLOCATIONS 1
#endif

namespace allocations {

/// While it lives, allocations are a library's.
struct inside_library {
  inside_library();
  ~inside_library();
};
/// While it lives, they are those of a library that keeps memory for later calls, as it sees fit: they are counted, but
/// not among the bytes that the heap rises by.
struct inside_pooling_library : inside_library {
  inside_pooling_library();
  ~inside_pooling_library();
};

struct usage {
  std::size_t ours = 0, theirs = 0;
  std::ptrdiff_t risen = 0;  ///< the most by which the heap was larger than at the start
  std::ptrdiff_t live = 0;   ///< by which it is at the end
};

void start_counting();
usage stop_counting();

template <class F>
usage measure(const F& f) {
  start_counting();
  f();
  return stop_counting();
}

}  // namespace allocations
