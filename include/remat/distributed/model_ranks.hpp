// SPDX-License-Identifier: MIT
/// The ranks of one model, as its steps meet them: communicators of its own, so that its messages never mix with those
/// of another model or of the program around it.
#pragma once

#include <remat/distributed/distributed_blueprint.hpp>
#include <remat/distributed/message_wait.hpp>
#include <remat/distributed/mpi.hpp>
#include <remat/distributed/session.hpp>

namespace remat {

struct model_ranks {
  mpi::wait_mode waiting;
  mpi::communicator world;     ///< all ranks of the job
  mpi::communicator pipeline;  ///< the ranks of this replica
  mpi::communicator tensors;   ///< the same ranks, for what passes between stages
  mpi::communicator replicas;  ///< the ranks that run this rank's stages, one in each replica

  /// Collective over the session.
  model_ranks(const mpi::session& session, const distributed_blueprint& b, int threads)
      : waiting(session.how_to_wait(threads)),
        world(session.world().duplicate()),
        pipeline(world.split(b.replica(), b.partition())),
        tensors(pipeline.duplicate()),
        replicas(world.split(b.partition(), b.replica())) {}
};

}  // namespace remat
