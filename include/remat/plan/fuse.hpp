// SPDX-License-Identifier: MIT
/// Fusion: what two operations of a program may do as one, decided before any policy, strategy or stage is read.
///
/// | in the program           | becomes                                                                              |
/// |--------------------------|--------------------------------------------------------------------------------------|
/// | conv2d or linear, and    | one operation: forward applies the activation to what it writes, and before backward |
/// | relu, tanh or sigmoid;   | the gradient goes back through it in its own buffer                                  |
/// | add, relu                |                                                                                      |
/// | batch_norm2d, relu       | one operation, whose backward finds from its input where the relu was not positive   |
/// | conv2d, relu, max_pool2d | the relu's backward moves after the pool (relu commutes with taking a maximum): the |
/// |                          | gradient that is masked is the pool's, a quarter of the size, and the relu's output  |
/// |                          | is not needed next to its gradient                                                    |
///
/// A module says what it `fuses` and what it `acts_as`; see core/module.hpp.
///
/// Since the decision never looks at checkpoints or stages, a fused pair gives the same bits under all of them. A
/// checkpoint or a stage border between the two moves after the pair.
#pragma once

#include <remat/model/program.hpp>
#include <remat/plan/compute_type.hpp>
#include <remat/plan/keep_states.hpp>

namespace remat {
namespace detail {

/// For each tensor, its only reader, or `none` if there is no reader or more than one.
constexpr core::list<int> only_readers(const program& p) {
  constexpr int several = -2;
  core::list<int> found(p.tensors.size(), core::none);
  const operation* const operations = p.operations.data();
  int* const reader = found.data();
  for (int i = 0, count = p.operations.count(); i < count; ++i)
    for (int k = 0; k < operations[i].inputs.size; ++k) {
      int& here = reader[operations[i].inputs.values[k]];
      here = here == core::none ? i : several;
    }
  for (int t : p.outputs) reader[t] = several;
  if (p.loss != core::none) reader[p.loss] = several;
  for (int& r : found)
    if (r == several) r = core::none;
  return found;
}

/// Removes the operations marked in `gone`, and moves every node's range to the new numbers.
constexpr void remove_operations(program& p, const core::list<int>& gone) {
  const int count = p.operations.count();
  core::list<int> moved(p.operations.size() + 1);
  int kept = 0;
  for (int i = 0; i < count; ++i) {
    moved.data()[i] = kept;
    if (!gone.data()[i]) ++kept;
  }
  if (kept == count) return;
  moved[count] = kept;
  core::list<operation> operations;
  operations.reserve(static_cast<std::size_t>(kept));
  for (int i = 0; i < count; ++i)
    if (!gone.data()[i]) operations.push_back(p.operations.data()[i]);
  p.operations = static_cast<core::list<operation>&&>(operations);
  for (module_node& n : p.nodes) {
    n.first = moved[n.first];
    n.last = moved[n.last];
  }
  for (int& producer : p.producers) producer = producer == core::none ? core::none : moved[producer];
}

/// Throws `error` where all that have a budget are modules without operations, so that it would limit nothing.
constexpr void require_budgeted_operations(const program& p) {
  int without = core::none;
  for (int n = 0; n < p.nodes.count(); ++n)
    for (const checkpoint_setting& each : p.nodes[n].checkpoints) {
      if (!each.policy.has_budget()) continue;
      if (p.nodes[n].first < p.nodes[n].last) return;
      without = n;
    }
  if (without != core::none)
    throw error("the budget of " + quoted_path(p, without) +
                " limits nothing: this module computes nothing by itself, or the module before it does it for it; give "
                "the budget to a module around both");
}

}  // namespace detail

/// The program with its fusions. Throws `error` for a budget of nothing. Tensors that no operation writes any more stay
/// in the list and are never planned.
constexpr program fuse(program p) {
  detail::resolve_kept_states(p);
  choose_compute_type(p);
  core::list<int> reader = detail::only_readers(p);
  core::list<int> gone(p.operations.size());
  for (int i = 0, count = p.operations.count(); i < count; ++i) {
    operation& o = p.operations.data()[i];
    if (o.is.fuses.bits == 0 || o.outputs.size != 1) continue;
    const int next = reader[o.outputs[0]];
    if (next == core::none || p.operations[next].is.acts_as == activation::none ||
        !o.is.fuses.contains(p.operations[next].is.acts_as))
      continue;
    if (p.operations[next].compute != o.compute) continue;
    o.outputs = p.operations[next].outputs;
    o.activation_after = p.operations[next].is.acts_as;
    if (!o.is.differentiates_activation) o.gradient_through = o.activation_after;
    p.producers[o.outputs[0]] = i;
    gone[next] = 1;

    const int pool = reader[o.outputs[0]];
    if (pool == core::none || !p.operations[pool].is.commutes_with_relu || o.gradient_through != activation::relu)
      continue;
    o.gradient_through = activation::none;
    p.operations[pool].gradient_through = activation::relu;
  }
  detail::remove_operations(p, gone);
  detail::require_budgeted_operations(p);
  return p;
}

}  // namespace remat
