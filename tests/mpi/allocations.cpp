// SPDX-License-Identifier: MIT
// What a step of a rank allocates: nothing of remat's from the second step on. MPICH's own allocations, like oneDNN's,
// are counted and printed. MPICH's pools grow by a block now and then, as messages come before anybody waits for them.
#include <allocations/counted.hpp>

#include "training.hpp"

#include <mpi.h>

#include <catch2/catch.hpp>

#include <sstream>

#if REMAT_TEST_COUNTS_ALLOCATIONS

extern "C" {

int MPI_Start(MPI_Request* request) {
  const inside_pooling_library here;
  return PMPI_Start(request);
}
int MPI_Test(MPI_Request* request, int* flag, MPI_Status* status) {
  const inside_pooling_library here;
  return PMPI_Test(request, flag, status);
}
int MPI_Isend(const void* from, int count, MPI_Datatype type, int to, int tag, MPI_Comm ranks, MPI_Request* request) {
  const inside_pooling_library here;
  return PMPI_Isend(from, count, type, to, tag, ranks, request);
}
int MPI_Irecv(void* to, int count, MPI_Datatype type, int from, int tag, MPI_Comm ranks, MPI_Request* request) {
  const inside_pooling_library here;
  return PMPI_Irecv(to, count, type, from, tag, ranks, request);
}
int MPI_Iallreduce(const void* from, void* to, int count, MPI_Datatype type, MPI_Op how, MPI_Comm ranks,
                   MPI_Request* request) {
  const inside_pooling_library here;
  return PMPI_Iallreduce(from, to, count, type, how, ranks, request);
}
int MPI_Ibcast(void* values, int count, MPI_Datatype type, int root, MPI_Comm ranks, MPI_Request* request) {
  const inside_pooling_library here;
  return PMPI_Ibcast(values, count, type, root, ranks, request);
}
int MPI_Request_free(MPI_Request* request) {
  const inside_pooling_library here;
  return PMPI_Request_free(request);
}

}  // extern "C"

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
