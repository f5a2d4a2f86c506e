// SPDX-License-Identifier: MIT
// What a step of a rank allocates: nothing of remat's from the second step on. MPICH's own allocations, like oneDNN's,
// are counted and printed. MPICH's pools grow by a block now and then, as messages come before anybody waits for them.
#include <allocations/counted.hpp>

#include "training.hpp"

#include <catch2/catch.hpp>

#include <sstream>

namespace allocations_tests {

#if REMAT_TEST_COUNTS_ALLOCATIONS

using allocations::usage, allocations::measure;

TEST_CASE("a rank allocates nothing of ours in a step") {
  remat::silence_warning(remat::warning_names::skipped_checkpoint);
  std::ostringstream found;
  for (const char* name : {"unet", "tied", "nested"})
    for (const int replicas : {1, 2}) {
      if (session().size() % replicas != 0) continue;
      const networks::network& n = networks::named(name);
      INFO(name << ", " << replicas << " replicas");
      remat::distributed_network model(session(), n.lower(),
                                       {.seed = 3,
                                        .threads = 1,
                                        .checkpoints = {remat::checkpoint_at(n.chain, remat::strategy::each{})},
                                        .partitions = session().size() / replicas,
                                        .microbatches = 4,
                                        .shards_optimizer = true,
                                        .logs_partition = false});
      remat::adamw optimizer;
      const auto data = networks::random_batch(n, model.lowered(), n.microbatch * 8, 1);
      const auto sources = sources_of(data);
      const auto step = [&] {
        model.train_on(sources);
        remat::clip_gradients(model, 1);
        optimizer.step(model);
      };
      const usage first = measure(step);
      CHECK(first.ours > 0);  // the counters count
      for (int i = 0; i < 4; ++i) {
        const usage later = measure(step);
        CHECK(later.ours == 0);
        CHECK(later.risen <= 64 * 1024);
        if (i == 3)
          found << "\n  " << name << ", " << replicas << " replicas: " << later.theirs << ", " << later.risen
                << " bytes";
      }
      const auto updating_step = [&] { model.train_on(sources, optimizer); };
      measure(updating_step);
      for (int i = 0; i < 3; ++i) CHECK(measure(updating_step).ours == 0);
    }
  if (session().rank() == 0)
    WARN("Allocations of MPICH's and oneDNN's in a step, and what the heap rises by without MPICH's:" << found.str());
}

#else

TEST_CASE("a rank allocates nothing of ours (not measured: the sanitizers have an allocator of their own)") {
  SUCCEED();
}

#endif

}  // namespace allocations_tests
