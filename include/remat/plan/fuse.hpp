// SPDX-License-Identifier: MIT
/// Fusion: what two operations of a program may do as one, decided before any policy, strategy or stage is read.
///
/// | in the program           | becomes                                                                              |
/// |--------------------------|--------------------------------------------------------------------------------------|
/// | conv2d or linear, relu   | one operation: forward applies the relu to what it writes, and before backward the   |
/// |                          | gradient is masked in its own buffer where the output is not positive                |
/// | that, max_pool2d         | the mask moves behind the pool (relu commutes with taking a maximum): the gradient   |
/// |                          | that is masked is the pool's, a quarter of the size, and the relu's output is not    |
/// |                          | needed beside its gradient                                                            |
///
/// oneDNN's fused relu, like its pooling, takes a NaN for less than 0; PyTorch's passes it on. A relu that is not fused
/// passes it on here, too.
///
/// Since the decision never looks at checkpoints or stages, a fused pair gives the same bits under all of them. A
/// checkpoint or a stage border between the two moves behind the pair.
#pragma once

#include <remat/model/program.hpp>

namespace remat {
namespace detail {

/// For each tensor, its only reader, or `none` if there is no reader or more than one.
constexpr list<int> only_readers(const program& p) {
  constexpr int several = -2;
  list<int> reader(p.tensors.size(), none);
  for (int i = 0; i < p.operations.count(); ++i)
    for (int t : p.operations[i].inputs) reader[t] = reader[t] == none ? i : several;
  for (int t : p.outputs) reader[t] = several;
  if (p.loss != none) reader[p.loss] = several;
  for (int& r : reader)
    if (r == several) r = none;
  return reader;
}

/// Removes the operations marked in `gone`, and moves every node's range to the new numbers.
constexpr void remove_operations(program& p, const list<int>& gone) {
  list<int> moved(p.operations.size() + 1);
  int kept = 0;
  for (int i = 0; i < p.operations.count(); ++i) {
    moved[i] = kept;
    if (!gone[i]) ++kept;
  }
  moved[p.operations.count()] = kept;
  list<operation> operations;
  operations.reserve(static_cast<std::size_t>(kept));
  for (int i = 0; i < p.operations.count(); ++i)
    if (!gone[i]) operations.push_back(p.operations[i]);
  p.operations = static_cast<list<operation>&&>(operations);
  for (node& n : p.nodes) {
    n.first = moved[n.first];
    n.last = moved[n.last];
  }
  for (int& producer : p.producers) producer = producer == none ? none : moved[producer];
}

}  // namespace detail

/// The program with its fusions. Tensors that no operation writes any more stay in the list and are never planned.
constexpr program fuse(program p) {
  list<int> reader = detail::only_readers(p);
  list<int> gone(p.operations.size());
  for (int i = 0; i < p.operations.count(); ++i) {
    operation& o = p.operations[i];
    if (!o.fuses_relu || o.outputs.size != 1) continue;
    const int next = reader[o.outputs[0]];
    if (next == none || !p.operations[next].is_relu) continue;
    o.outputs = p.operations[next].outputs;
    o.relu_after = true;
    o.masks_gradient = true;
    p.producers[o.outputs[0]] = i;
    gone[next] = 1;

    const int pool = reader[o.outputs[0]];
    if (pool == none || !p.operations[pool].commutes_with_relu) continue;
    o.masks_gradient = false;
    p.operations[pool].masks_gradient = true;
  }
  detail::remove_operations(p, gone);
  return p;
}

}  // namespace remat
