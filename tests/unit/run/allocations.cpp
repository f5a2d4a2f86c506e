// SPDX-License-Identifier: MIT
// What a step allocates: nothing of remat's from the second step on, and a constant number of oneDNN's own.
//
// Every allocation of this program passes through here. It is oneDNN's if it happens inside oneDNN's execute call,
// which is interposed too, or on a worker thread of a parallel region that oneDNN started.
#include "networks.hpp"

#include <dlfcn.h>
#include <malloc.h>
#include <oneapi/dnnl/dnnl.h>

#include <catch2/catch.hpp>

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

template <class Model>
void check_steps(Model& model, std::size_t batch, std::size_t inputs, std::size_t targets, int classes) {
  remat::adamw optimizer;
  optimizer.group(remat::is_bias_or_norm, {.weight_decay = 0});
  const remat::learning_rate::sequence schedule{remat::learning_rate::linear{.steps = 3},
                                                remat::learning_rate::cosine{.steps = 10}};
  const auto data = networks::random_batch(batch, inputs, targets, classes, 1);
  const auto step = [&] {
    model.train_step(data.inputs, data.targets);
    remat::clip_gradients(model, 1);
    optimizer.step(model, schedule(optimizer.steps()));
  };
  const usage first = measure(step);
  CHECK(first.ours > 0);  // the counters count
  const usage second = measure(step);
  for (int i = 0; i < 5; ++i) {
    const usage later = measure(step);
    CHECK(later.ours == 0);
    CHECK(later.theirs == second.theirs);
    CHECK(later.risen <= 64 * 1024);
  }
  CHECK(second.ours == 0);
  WARN("a step: " << second.ours << " allocations of remat's, " << second.theirs << " of oneDNN's; the heap rises by "
                  << second.risen << " bytes");
}

}  // namespace

TEST_CASE("a step allocates nothing of ours", "[serial]") {
  for (int threads : {1, 2})
    for (const bool all : {false, true}) {
      std::vector<remat::checkpoint_at> checkpoints;
      if (all) checkpoints.push_back(remat::checkpoint_at(""));
      INFO(threads << " threads, " << (all ? "all checkpointed" : "no checkpoint"));
      remat::model<networks::image_classifier, remat::tensor<float, 1, 28, 28>, remat::nn::nll_loss> images{
          {.seed = 1, .threads = threads, .checkpoints = checkpoints}};
      check_steps(images, 64, 784, 1, 10);
      remat::model<networks::nested, remat::tensor<float, 3, 16, 16>, remat::nn::nll_loss> nested{
          {.seed = 1, .threads = threads, .checkpoints = checkpoints}};
      check_steps(nested, 16, 768, 1, 7);
    }
}

#else

TEST_CASE("a step allocates nothing of ours (not measured: the sanitizers have an allocator of their own)") {
  SUCCEED();
}

#endif
