// SPDX-License-Identifier: MIT
/// Uniform chains of any length as programs of values: the operations of one step, again and again, as children of a
/// sequential. One step is compiled for all of them.
#pragma once

#include <remat/model/program.hpp>

namespace uniform_chain {

/// From the program of `repeat<1, Step>` without a loss: that of as many steps, checkpointed with a setting.
inline remat::program repeated(const remat::program& one, int links, const remat::checkpoint_setting& setting) {
  remat::program p = one;
  const int nodes = one.nodes.count() - 1, operations = one.operations.count(),
            tensors = one.tensors.count() - one.inputs;
  for (int link = 1; link < links; ++link) {
    const auto moved = [&](int t) {  // what the step is given is what the one before it gives
      return t < one.inputs ? p.outputs[t] : t + link * tensors;
    };
    for (int n = 1; n < one.nodes.count(); ++n) {
      remat::module_node made = one.nodes[n];
      if (made.parent == 0) made.position = link;
      if (made.parent > 0) made.parent += link * nodes;
      made.end += link * nodes;
      made.first += link * operations;
      made.last += link * operations;
      p.nodes.push_back(made);
    }
    for (const remat::operation& o : one.operations) {
      remat::operation made = o;
      made.node += link * nodes;
      made.occurrence = p.operations.count();
      for (auto* some : {&made.inputs, &made.outputs, &made.saved})
        for (int k = 0; k < some->size; ++k) some->values[k] = moved(some->values[k]);
      made.first_parameter += link * one.parameters.count();
      p.operations.push_back(made);
    }
    for (int t = one.inputs; t < one.tensors.count(); ++t)
      p.add_tensor(one.tensors[t], one.producers[t] + link * operations);
    for (const remat::parameter_slot& each : one.parameters)
      p.parameters.push_back({each.declared, each.node + link * nodes, p.parameters.count()});
    for (int k = 0; k < p.outputs.size; ++k) p.outputs.values[k] = one.outputs.values[k] + link * tensors;
  }
  p.nodes[0].end = p.nodes.count();
  p.nodes[0].last = p.operations.count();
  p.nodes[0].checkpoints.clear();
  p.nodes[0].checkpoints.push_back(setting);
  return p;
}

}  // namespace uniform_chain
