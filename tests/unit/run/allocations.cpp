// SPDX-License-Identifier: MIT
// What a step allocates: nothing of remat's from the second step on, and a constant number of oneDNN's own.
#include <allocations/counted.hpp>
#include <networks/networks.hpp>
#include <networks/policies.hpp>

#include <remat/remat.hpp>

#include <catch2/catch.hpp>

#include <cstddef>
#include <sstream>
#include <utility>

#if REMAT_TEST_COUNTS_ALLOCATIONS

namespace {

/// The heap may rise by 64 KiB within a step; in `normed` by 128 for each thread, since oneDNN's gemm, to which the
/// weight gradients of convolutions with dilated groups come, packs into memory of its own.
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
                                   .microbatches = parts});
      const usage step = check_steps(model, random_batch(n, p, parts * n.microbatch, 1),
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
