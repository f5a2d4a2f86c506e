// SPDX-License-Identifier: MIT
/// A blueprint: what all ranks of a job know alike before any of them allocates: the program in stages, which rank runs
/// which of them, and when. How they come to it is in blueprint_agreement.hpp.
#pragma once

#include <remat/core/list.hpp>
#include <remat/core/none.hpp>
#include <remat/distributed/call_agreement.hpp>
#include <remat/distributed/rank_map.hpp>
#include <remat/model/program.hpp>
#include <remat/plan/checkpoint_parts.hpp>
#include <remat/plan/plan_terms.hpp>
#include <remat/schedule/schedule_table.hpp>

#include <cstddef>
#include <string>
#include <vector>

namespace remat {

struct distributed_blueprint {
  program checkpointed, plain;  ///< fused, in stages; with checkpoints and without
  plan_terms terms = {};
  rank_grid grid;
  schedule_table schedule;
  core::list<ignored_checkpoint> ignored = {};
  int rank = 0;          ///< of MPI's world
  int model = 0;         ///< the number of the model in its session
  std::string log = {};  ///< on rank 0: where the modules are, which checkpoints are divided, what stages cost and hold
  bool replicas_have_their_own = false;  ///< batches: see inputs_from::each_replica

  int partition() const { return grid.partition(rank); }
  int replica() const { return grid.replica(rank); }
  /// The rank of a pipeline that runs a stage.
  int rank_of(int stage) const { return schedule.rank_of(stage); }
  bool runs(const operation& o) const { return rank_of(o.stage) == partition(); }
  /// Whether this rank is given batches.
  bool has_data() const { return !checkpointed.inputs_enter_first || rank_of(0) == partition(); }
  /// Who is handed the same batches. Ranks compare them where another one is handed the same.
  call_groups groups(bool compares) const {
    const int alike = replicas_have_their_own           ? grid.partitions()
                      : checkpointed.inputs_enter_first ? grid.replicas()
                                                        : grid.size();
    return {.groups = replicas_have_their_own ? grid.replicas() : 1,
            .mine = replicas_have_their_own ? replica() : 0,
            .replicas = grid.replicas(),
            .places = grid.partitions(),
            .place = partition(),
            .compares_batches = compares && alike > 1};
  }
  /// The rank of a pipeline that holds each parameter slot of the program, and each state slot.
  std::vector<int> ranks_of_parameters() const {
    return ranks_of_slots(checkpointed.parameters.size(), &operation::first_parameter, &operation::parameters);
  }
  std::vector<int> ranks_of_states() const {
    return ranks_of_slots(checkpointed.states.size(), &operation::first_state, &operation::states);
  }

 private:
  std::vector<int> ranks_of_slots(std::size_t slots, int operation::*first, int operation::*count) const {
    std::vector<int> ranks(slots, core::none);
    for (const operation& o : checkpointed.operations)
      for (int k = 0; k < o.*count; ++k) ranks[static_cast<std::size_t>(o.*first + k)] = rank_of(o.stage);
    return ranks;
  }
};

}  // namespace remat
