// SPDX-License-Identifier: MIT
/// The tables that the kernels of a program keep outside of the arena, as `table_bytes` of a module declares them: one
/// for all operations of the same attributes and size, such as the angles of a rotary embedding in every block.
#pragma once

#include <remat/core/list.hpp>
#include <remat/model/program.hpp>

#include <cstddef>

namespace remat {

/// Of the operations of which `runs` says so: those of a rank.
template <class Runs>
constexpr std::size_t table_bytes(const program& p, const Runs& runs) {
  std::size_t sum = 0;
  core::list<const operation*> counted;
  for (const operation& o : p.operations) {
    if (o.table_bytes == 0 || !runs(o)) continue;
    bool is_there = false;
    for (const operation* other : counted)
      is_there = is_there || (other->kernels == o.kernels && other->attributes == o.attributes &&
                              other->table_bytes == o.table_bytes);
    if (is_there) continue;
    counted.push_back(&o);
    sum += o.table_bytes;
  }
  return sum;
}
constexpr std::size_t table_bytes(const program& p) {
  return table_bytes(p, [](const operation&) { return true; });
}

}  // namespace remat
