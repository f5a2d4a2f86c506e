// SPDX-License-Identifier: MIT
/// Where a program may be cut into stages: before any of its operations but the first.
///
/// A cut is legal unless it goes through a checkpointed subtree: a checkpointed module that is no sequential, or a
/// child of a checkpointed sequential. A cut through one costs its checkpoint.
#pragma once

#include <remat/model/program.hpp>

namespace remat {

struct cut {
  int before = 0;   ///< the first operation of the stage that begins here
  int crosses = 0;  ///< checkpointed subtrees; 0: a legal cut
};

/// All cuts of a program, in order.
constexpr list<cut> cuts_of(const program& p) {
  list<int> is_one(p.nodes.size());  // a checkpointed subtree
  for (int n = 0; n < p.nodes.count(); ++n) {
    if (p.nodes[n].checkpoints.size == 0) continue;
    if (!p.nodes[n].is_sequential) is_one[n] = 1;
    if (p.nodes[n].is_sequential)
      for (int c = n + 1; c < p.nodes[n].end; c = p.nodes[c].end) is_one[c] = 1;
  }
  list<cut> cuts;
  for (int i = 1; i < p.operations.count(); ++i) cuts.push_back({i, 0});
  for (int n = 0; n < p.nodes.count(); ++n)
    if (is_one[n])
      for (int i = p.nodes[n].first + 1; i < p.nodes[n].last; ++i) ++cuts[i - 1].crosses;
  return cuts;
}

}  // namespace remat
