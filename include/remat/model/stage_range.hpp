// SPDX-License-Identifier: MIT
/// The stages that a module of a program is on: those of its first and its last operation, since stages are
/// consecutive ranges of the operations.
///
/// A module without operations (all are fused into the operation before it) is on that operation's stage.
#pragma once

#include <remat/model/program.hpp>

namespace remat {

struct stage_range {
  int first = 0, last = 0;

  constexpr bool is_one() const { return first == last; }
};

/// The stages of node n.
constexpr stage_range stages_of(const program& p, int n) {
  const module_node& here = p.nodes[n];
  if (here.first < here.last) return {p.operations[here.first].stage, p.operations[here.last - 1].stage};
  if (p.operations.empty()) return {};
  const int stage = p.operations[here.first > 0 ? here.first - 1 : 0].stage;
  return {stage, stage};
}

}  // namespace remat
