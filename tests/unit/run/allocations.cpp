// SPDX-License-Identifier: MIT
// What a step allocates: nothing of remat's from the second step on, and a constant number of oneDNN's own.
//
// Every allocation of this program passes through here. It is oneDNN's if it happens inside oneDNN's execute call,
// which is interposed too, or on a worker thread of a parallel region that oneDNN started.
#include <networks/networks.hpp>
#include <networks/policies.hpp>

#include <remat/remat.hpp>

#include <dlfcn.h>
#include <malloc.h>
#include <oneapi/dnnl/dnnl.h>

#include <catch2/catch.hpp>

#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <sstream>
#include <utility>

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
std::atomic<int> inside_onednn = 0;
std::atomic<std::size_t> ours = 0, theirs = 0;
std::atomic<std::ptrdiff_t> live = 0, highest = 0;

void count_allocation(void* block) {
  if (!counting || block == nullptr) return;
  (inside_onednn > 0 ? theirs : ours)++;
  const std::ptrdiff_t now = live += static_cast<std::ptrdiff_t>(malloc_usable_size(block));
  std::ptrdiff_t before = highest;
  while (now > before && !highest.compare_exchange_weak(before, now)) {
  }
}
void count_release(void* block) {
  if (counting && block != nullptr) live -= static_cast<std::ptrdiff_t>(malloc_usable_size(block));
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
int posix_memalign(void** block, std::size_t boundary, std::size_t size) {
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
  ++inside_onednn;
  const dnnl_status_t status = original(primitive, stream, count, arguments);
  --inside_onednn;
  return status;
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

/// The heap may rise by 64 KiB within a step; in `normed` by 128 for each thread, since oneDNN's gemm, to which the weight
/// gradients of convolutions with dilated groups come, packs into memory of its own.
usage check_steps(remat::network& model, const networks::batch& data, std::ptrdiff_t may_rise) {
  remat::adamw optimizer;
  optimizer.group(remat::is_bias_or_norm, {.weight_decay = 0});
  const remat::learning_rate::sequence schedule{remat::learning_rate::linear{.steps = 3},
                                                remat::learning_rate::cosine{.steps = 10}};
  const auto step = [&] {
    train_step(model, data);
    remat::clip_gradients(model, 1);
    optimizer.step(model, schedule(optimizer.steps()));
  };
  const usage first = measure(step);
  CHECK(first.ours > 0);  // the counters count
  const usage second = measure(step);
  for (int i = 0; i < 2; ++i) {
    const usage later = measure(step);
    CHECK(later.ours == 0);
    CHECK(later.theirs == second.theirs);
    CHECK(later.risen <= may_rise);
  }
  CHECK(second.ours == 0);
  return second;
}

void check_networks(int threads) {
  std::ostringstream found;
  constexpr std::pair<const char*, std::size_t> settings[] = {
      {"none", 1}, {"all as one", 4}, {"blocks in groups in all", 4}};
  for (const networks::network& n : networks::all())
    for (const auto& [name, parts] : settings) {
      INFO(n.name << ", " << name << ", " << parts << " micro-batches, " << threads << " threads");
      const remat::program p = n.lower();
      remat::network model = make(n, p,
                                  {.seed = 1,
                                   .threads = threads,
                                   .checkpoints = networks::policy_named(name).checkpoints(n, p),
                                   .micro_batches = parts});
      const usage step = check_steps(model, random_batch(n, p, parts * n.micro_batch, 1),
                                     (n.name == "normed" ? 128 * threads : 64) * 1024);
      if (parts == 1) found << "\n  " << n.name << ": " << step.theirs << ", " << step.risen << " bytes";
    }
  WARN("Allocations of oneDNN's in a step, and what the heap rises by:" << found.str());
}

}  // namespace

TEST_CASE("a step allocates nothing of ours on any network, 1 thread") { check_networks(1); }
TEST_CASE("a step allocates nothing of ours on any network, 2 threads", "[serial]") { check_networks(2); }

#else

TEST_CASE("a step allocates nothing of ours (not measured: the sanitizers have an allocator of their own)") {
  SUCCEED();
}

#endif
