// SPDX-License-Identifier: MIT
/// Outputs that nobody reads, of operations that are computed again.
#pragma once

#include <remat/plan/tape.hpp>

namespace remat {

/// Where an operation is computed again for its saved tensors alone, and can skip the rest, its outputs need no memory.
constexpr void skip_unread_outputs(const program& p, tape& t) {
  for (action& a : t.actions) {
    if (a.kind != action_kind::recompute || !p.operations[a.operation].is.skips_outputs) continue;
    for (int& b : a.outputs.values) {
      if (&b - a.outputs.values >= a.outputs.size || t.buffers[b].last != t.buffers[b].first) continue;
      t.buffers[b].bytes = 0;
      b = core::none;
    }
  }
}

}  // namespace remat
