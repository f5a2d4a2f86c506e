// SPDX-License-Identifier: MIT
/// Operations that keep their states: which do, and what becomes of them.
#pragma once

#include <remat/core/list.hpp>
#include <remat/model/program.hpp>

namespace remat::detail {

/// An operation that shares a state with one that keeps it keeps it, too: otherwise a recomputation of the one would
/// see what the other has made of it.
constexpr void spread_kept_states(program& p) {
  core::list<int> is_kept(p.states.size());
  for (bool changed = true; changed;) {
    changed = false;
    for (operation& o : p.operations)
      for (int k = 0; o.kernels_on_kept_states != nullptr && k < o.states; ++k) {
        int& owner = is_kept[p.states[o.first_state + k].owner];
        if (o.keeps_states == (owner != 0)) continue;
        o.keeps_states = changed = true;
        owner = 1;
      }
  }
}

/// Gives operations that keep their states the kernels for it. They save nothing, and backward reads the input for the
/// parameters alone, or, of those, to find a fused activation. After `frozen` is known, before fusion.
constexpr void resolve_kept_states(program& p) {
  spread_kept_states(p);
  for (operation& o : p.operations) {
    if (!o.keeps_states) continue;
    o.kernels = o.frozen ? o.frozen_kernels_on_kept_states : o.kernels_on_kept_states;
    o.saved = {};
    o.updates_state = o.is.skips_outputs = false;
    o.has_joint_backward = !o.frozen && o.joint_backward_on_kept_states;
    o.backward_input_reads = o.backward_parameters_reads = o.frozen ? reads::nothing : reads::inputs;
    if (!o.frozen) continue;
    o.is.differentiates_activation = o.is.overwrites_input = false;
  }
}

}  // namespace remat::detail
