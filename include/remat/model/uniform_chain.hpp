// SPDX-License-Identifier: MIT
/// Uniform chains: sequentials whose children are the same modules, with parameters of their own or shared ones.
#pragma once

#include <remat/core/error.hpp>
#include <remat/model/program.hpp>

#include <string>

namespace remat::detail {

/// Whether these tensors have the same shapes.
template <class Tensors>
constexpr bool have_same_shapes(const program& p, const Tensors& some, const Tensors& others) {
  bool are_same = some.size == others.size;
  for (int k = 0; are_same && k < some.size; ++k) are_same = p.tensors[some.values[k]] == p.tensors[others.values[k]];
  return are_same;
}

/// Whether two operations read, make and save tensors of the same shapes.
constexpr bool have_same_tensors(const program& p, const operation& one, const operation& other) {
  return have_same_shapes(p, one.inputs, other.inputs) && have_same_shapes(p, one.outputs, other.outputs) &&
         have_same_shapes(p, one.saved, other.saved);
}

/// Whether operations a and b are of one module type, on tensors of the same shapes.
constexpr bool are_alike(const program& p, int a, int b) {
  const operation &one = p.operations[a], &other = p.operations[b];
  return one.kind == other.kind && one.type == other.type && have_same_tensors(p, one, other);
}

/// The first child of a sequential that is another module than the child before it, or `none`. The program is one
/// before fusion.
constexpr int first_unlike_child(const program& p, int n) {
  for (int c = n + 1, next = 0; c < p.nodes[n].end; c = next) {
    next = p.nodes[c].end;
    if (next >= p.nodes[n].end) break;
    const module_node &here = p.nodes[c], &after = p.nodes[next];
    bool is_alike = here.last - here.first == after.last - after.first;
    for (int i = 0; is_alike && i < here.last - here.first; ++i)
      is_alike = are_alike(p, here.first + i, after.first + i);
    if (!is_alike) return next;
  }
  return core::none;
}

/// Throws `error` unless the children of node n, which is a sequential or a repeat, are the same modules.
constexpr void require_uniform_chain(const program& p, int n, const policy_setting& policy) {
  if (const int other = first_unlike_child(p, n); other != core::none)
    throw error("the policy '" + std::string(policy.name()) +
                "' takes a chain whose children are the same modules, and '" + path_of(p, other) +
                "' is another one than the child before it; use a budget, every or square_root there");
}

}  // namespace remat::detail
