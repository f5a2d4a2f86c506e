// SPDX-License-Identifier: MIT
/// How a model is distributed: the options of `distributed_model`, the same on all ranks. Those that `model_options`
/// has, too, come in the same order there, so that one list of designated initialisers serves both.
#pragma once

#include <remat/distributed/gradient_reduction.hpp>
#include <remat/distributed/local_stages.hpp>
#include <remat/distributed/rank_map.hpp>
#include <remat/partition/partition.hpp>
#include <remat/partition/stage_policies.hpp>
#include <remat/plan/checkpoints.hpp>
#include <remat/plan/operation_costs.hpp>
#include <remat/run/packing.hpp>
#include <remat/schedule/schedule_option.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace remat {

/// Who is given a step's batch.
enum class inputs_from : std::uint8_t {
  every_rank,   ///< each rank reads what its stages need from its own copy of the batch
  first_stage,  ///< the ranks of stage 0, which send on what others need; the others may pass anything
  each_replica  ///< each rank has the batch of its replica, which brings one of its own: its share of the step's batch
};

struct distributed_options {
  std::uint64_t seed = 0;
  int threads = 0;                                   ///< 0: the node's cores, shared evenly by its ranks
  remat::checkpoints checkpoints = {};               ///< where given, they replace the tags
  std::optional<operation_costs> costs = {};         ///< what policies see instead of FLOPs: `profile(mpi, one, 16)`
  std::optional<std::size_t> activation_bytes = {};  ///< that the activations of a rank may take, as policies are told
  std::size_t other_bytes = 0;  ///< that a budget of the whole rank leaves to others, such as the optimizer
  std::vector<checkpoint_on_stage> stage_policies = {};  ///< instead of what the checkpoints of a stage say
  std::vector<std::string> frozen = {};                  ///< paths of modules that are not trained
  std::vector<std::string> running_statistics = {};      ///< paths of modules whose batch norms use and keep theirs
  std::optional<element> compute = {};                   ///< what modules compute with, instead of what the type says
  int partitions = 0;            ///< ranks in a pipeline; 0: all of the job's ranks. The rest are replicas
  std::size_t microbatches = 1;  ///< parts of a replica's share of the batch
  std::size_t max_plans = 8;     ///< sizes of micro-batches whose pipelines are kept, to train and as many to predict
  remat::packing packing = remat::packing::automatic;  ///< of weights: before each use of them, or once for several
  std::string offload_directory = {};  ///< of this rank, where `offload<file>` has its file; empty: TMPDIR, or /tmp
  pipeline_schedule schedule = {};
  std::optional<partition::setting> partition = {};  ///< none: as the type says, or `balanced` where it says nothing
  std::size_t partition_batch = 1;                   ///< samples of a micro-batch that automatic partitions count with
  rank_map::setting rank_map = rank_map::cluster;
  remat::allreduce allreduce = allreduce::overlapped;
  std::size_t bucket_bytes = std::size_t{1} << 20;  ///< of gradients that are summed over replicas together, at least
  bool shards_optimizer = false;  ///< each replica keeps the optimizer's numbers of a part of the parameters alone
  remat::checkpointing checkpointing = checkpointing::always;
  bool recomputes_early = true;       ///< while the gradient is still on its way
  bool recomputes_in_bubbles = true;  ///< budgets choose what is computed again by where stages wait for gradients
  inputs_from inputs = inputs_from::every_rank;
  bool compares_batches = true;  ///< whether ranks that are to be handed the same batch compare a hash of it
  bool logs_partition = true;    ///< `Partition assignments:` on rank 0, to std::clog
};

}  // namespace remat
