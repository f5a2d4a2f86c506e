// SPDX-License-Identifier: MIT
/// Until where in a program its tensors are read.
#pragma once

#include <remat/core/list.hpp>
#include <remat/model/program.hpp>

namespace remat::detail {

/// Of each tensor, the last operation that reads it: the number of operations where the model gives it, and none where
/// nobody reads it.
constexpr core::list<int> last_reads(const program& p) {
  core::list<int> made(p.tensors.size(), core::none);
  const operation* const operations = p.operations.data();
  int* const last = made.data();
  for (int i = 0, count = p.operations.count(); i < count; ++i)
    for (int k = 0; k < operations[i].inputs.size; ++k) last[operations[i].inputs.values[k]] = i;
  for (int t : p.outputs) last[t] = p.operations.count();
  if (p.loss != core::none) last[p.loss] = p.operations.count();
  return made;
}

}  // namespace remat::detail
