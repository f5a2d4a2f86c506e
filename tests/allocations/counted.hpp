// SPDX-License-Identifier: MIT
/// Counts the allocations of a program, for one of its files to include: every one passes through here. It is a
/// library's if it happens inside a call of that library, which is interposed too, or on a worker thread of a parallel
/// region that it started. `dnnl_primitive_execute` is; a program may mark others with `inside_library`.
#pragma once

#include <dlfcn.h>
#include <malloc.h>
#if __has_include(<mm_malloc.h>)
#include <mm_malloc.h>  // it declares an allocator, and must before that is defined here
#endif
#include <oneapi/dnnl/dnnl.h>

#include <atomic>
#include <cstddef>
#include <cstdlib>

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

#if REMAT_TEST_COUNTS_ALLOCATIONS

namespace {

std::atomic<bool> counting = false;
std::atomic<int> calls_of_libraries = 0, calls_of_pooling_libraries = 0;
std::atomic<std::size_t> ours = 0, theirs = 0;
std::atomic<std::ptrdiff_t> live = 0, highest = 0;

/// While it lives, allocations are a library's.
struct inside_library {
  inside_library() { ++calls_of_libraries; }
  ~inside_library() { --calls_of_libraries; }
};
/// While it lives, they are those of a library that keeps memory for later calls, as it sees fit: they are counted, but
/// not among the bytes that the heap rises by.
struct inside_pooling_library : inside_library {
  inside_pooling_library() { ++calls_of_pooling_libraries; }
  ~inside_pooling_library() { --calls_of_pooling_libraries; }
};

void count_allocation(void* block) {
  if (!counting || block == nullptr) return;
  (calls_of_libraries > 0 ? theirs : ours)++;
  if (calls_of_pooling_libraries > 0) return;
  const std::ptrdiff_t now = live += static_cast<std::ptrdiff_t>(malloc_usable_size(block));
  std::ptrdiff_t before = highest;
  while (now > before && !highest.compare_exchange_weak(before, now)) {
  }
}
void count_release(void* block) {
  if (counting && block != nullptr && calls_of_pooling_libraries == 0)
    live -= static_cast<std::ptrdiff_t>(malloc_usable_size(block));
}

}  // namespace

extern "C" {

void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);
void __libc_free(void*);

void* malloc(std::size_t size) {
  void* const block = __libc_malloc(size);
  count_allocation(block);
  return block;
}
void* calloc(std::size_t n, std::size_t size) {
  void* const block = __libc_calloc(n, size);
  count_allocation(block);
  return block;
}
void* realloc(void* old, std::size_t size) {
  count_release(old);
  void* const block = __libc_realloc(old, size);
  count_allocation(block);
  return block;
}
void* memalign(std::size_t boundary, std::size_t size) {
  void* const block = __libc_memalign(boundary, size);
  count_allocation(block);
  return block;
}
void* aligned_alloc(std::size_t boundary, std::size_t size) { return memalign(boundary, size); }
int posix_memalign(void** block, std::size_t boundary, std::size_t size) noexcept {
  *block = memalign(boundary, size);
  return *block == nullptr ? 12 : 0;
}
void free(void* block) {
  count_release(block);
  __libc_free(block);
}

dnnl_status_t dnnl_primitive_execute(const_dnnl_primitive_t primitive, dnnl_stream_t stream, int count,
                                     const dnnl_exec_arg_t* arguments) {
  using execute = dnnl_status_t (*)(const_dnnl_primitive_t, dnnl_stream_t, int, const dnnl_exec_arg_t*);
  static const auto original = reinterpret_cast<execute>(dlsym(RTLD_NEXT, "dnnl_primitive_execute"));
  const inside_library here;
  return original(primitive, stream, count, arguments);
}

}  // extern "C"

namespace {

struct usage {
  std::size_t ours = 0, theirs = 0;
  std::ptrdiff_t risen = 0;
};

template <class F>
usage measure(const F& f) {
  ours = theirs = 0;
  live = highest = 0;
  counting = true;
  f();
  counting = false;
  return {ours, theirs, highest};
}

}  // namespace

#endif
