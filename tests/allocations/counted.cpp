// SPDX-License-Identifier: MIT
#include "counted.hpp"

#include <dlfcn.h>
#include <malloc.h>
#include <oneapi/dnnl/dnnl.h>

#include <atomic>
#include <cstddef>
#include <cstdlib>

#if REMAT_TEST_COUNTS_ALLOCATIONS

namespace {

std::atomic<bool> counting = false;
std::atomic<int> calls_of_libraries = 0, calls_of_pooling_libraries = 0;
std::atomic<std::size_t> ours = 0, theirs = 0;
std::atomic<std::ptrdiff_t> live = 0, highest = 0;

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

namespace allocations {

inside_library::inside_library() { ++calls_of_libraries; }
inside_library::~inside_library() { --calls_of_libraries; }
inside_pooling_library::inside_pooling_library() { ++calls_of_pooling_libraries; }
inside_pooling_library::~inside_pooling_library() { --calls_of_pooling_libraries; }

void start_counting() {
  ours = theirs = 0;
  live = highest = 0;
  counting = true;
}
usage stop_counting() {
  counting = false;
  return {ours, theirs, highest, live};
}

}  // namespace allocations

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
  const allocations::inside_library here;
  return original(primitive, stream, count, arguments);
}

}  // extern "C"

#endif
