// SPDX-License-Identifier: MIT
/// Steps that may fail before their end, although their batch was accepted: a disk may be full, and a recomputation
/// that is verified may differ. Parameters are updated after the whole of such a step, from a block of gradients.
#pragma once

#include <remat/core/list.hpp>
#include <remat/model/program.hpp>

namespace remat {

/// Of each operation, whether what is computed again is compared with the first pass: a checkpoint around it says so,
/// or the policy that its stage has instead of its checkpoints'.
constexpr core::list<int> verified_operations(const program& p) {
  core::list<int> of_nodes(p.nodes.size()), is_checkpointed(p.nodes.size()), found(p.operations.size());
  for (int n = 0; n < p.nodes.count(); ++n) {
    const int parent = p.nodes[n].parent;
    if (parent != core::none) of_nodes[n] = of_nodes[parent], is_checkpointed[n] = is_checkpointed[parent];
    for (const checkpoint_setting& each : p.nodes[n].checkpoints) {
      is_checkpointed[n] = 1;
      if (each.policy.verifies()) of_nodes[n] = 1;
    }
  }
  for (int i = 0; i < p.operations.count(); ++i) {
    const operation& o = p.operations[i];
    found[i] = of_nodes[o.node];
    for (const stage_policy& own : p.stage_policies)
      if (own.stage == o.stage && own.policy.verifies() && is_checkpointed[o.node]) found[i] = 1;
  }
  return found;
}

/// Whether a training step of the program may fail before its end.
constexpr bool may_fail(const program& p) {
  for (const module_node& n : p.nodes)
    for (const checkpoint_setting& each : n.checkpoints)
      if (each.policy.verifies() || (each.storage.form() != nullptr && each.storage.form()->is_outside)) return true;
  for (const stage_policy& own : p.stage_policies)
    if (own.policy.verifies()) return true;
  return false;
}

}  // namespace remat
