// SPDX-License-Identifier: MIT
/// Who owns the parameters and states of `shared` modules: the first place of each.
#pragma once

#include <remat/core/error.hpp>
#include <remat/core/list.hpp>
#include <remat/model/program.hpp>

#include <string>

namespace remat::detail {

/// The innermost shared module around node n, or `none`.
constexpr int shared_around(const program& p, int n) {
  while (n != core::none && p.nodes[n].shared_as.empty()) n = p.nodes[n].parent;
  return n;
}

/// Whether node a is in module `top_a` where node b is in `top_b`.
constexpr bool same_place(const program& p, int a, int top_a, int b, int top_b) {
  while (a != top_a && b != top_b) {
    if (p.nodes[a].name != p.nodes[b].name || p.nodes[a].position != p.nodes[b].position) return false;
    a = p.nodes[a].parent;
    b = p.nodes[b].parent;
  }
  return a == top_a && b == top_b;
}

/// Finds the owner of every parameter or state that is shared.
constexpr void find_owners(const program& p, core::list<parameter_slot>& slots) {
  for (int i = 0; i < slots.count(); ++i) {
    parameter_slot& here = slots[i];
    const int top = shared_around(p, here.node);
    if (top == core::none) continue;
    for (int k = 0; k < i && here.owner == i; ++k) {
      const int other = shared_around(p, slots[k].node);
      if (other == core::none || other == top || p.nodes[other].shared_as != p.nodes[top].shared_as ||
          slots[k].declared.name != here.declared.name || !same_place(p, here.node, top, slots[k].node, other))
        continue;
      if (!here.declared.has_shape_of(slots[k].declared))
        throw error("the parameter '" + std::string(here.declared.name) + "' shared as '" +
                    std::string(p.nodes[top].shared_as) + "' has another shape in '" + path_of(p, here.node) +
                    "' than in '" + path_of(p, slots[k].node) + "'; share modules whose parameters agree");
      here.owner = slots[k].owner;
    }
  }
}

}  // namespace remat::detail
