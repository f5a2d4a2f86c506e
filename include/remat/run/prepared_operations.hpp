// SPDX-License-Identifier: MIT
/// What the operations of a plan prepare before any step: primitives for the shapes and the passes that the plan has,
/// and room for packed weights and scratch. Operations with equal shapes and needs share what they prepare.
#pragma once

#include <remat/core/kernel.hpp>
#include <remat/plan/plan.hpp>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <span>
#include <vector>

namespace remat {

class prepared_operations {
 public:
  /// `accumulates`: gradients of parameters are added to those that are there.
  prepared_operations(const program& p, const plan& made, bool accumulates)
      : states_(p.operations.size()), packed_at_(p.operations.size()) {
    std::vector<preparation> needs = needs_of(p, made, accumulates);
    for (std::size_t i = 0; i < needs.size(); ++i)
      if (needs[i].batch != 0 && p.operations[i].kernels->prepare != nullptr) prepare(p, i, needs);
  }

  /// What an operation has prepared, or null.
  const prepared* state(int operation) const { return states_[static_cast<std::size_t>(operation)].get(); }
  /// Where its packed weights begin among those of all.
  std::size_t packed_at(int operation) const { return packed_at_[static_cast<std::size_t>(operation)]; }

  /// Of all operations together.
  std::size_t packed_bytes() const { return packed_bytes_; }
  /// Of the one that needs most: they run one after another.
  std::size_t scratch_bytes() const { return scratch_bytes_; }

 private:
  /// What the tape asks of each operation; those that it does not run have a batch of 0.
  static std::vector<preparation> needs_of(const program& p, const plan& made, bool accumulates) {
    std::vector<preparation> needs(p.operations.size());
    for (const action& a : made.steps.actions) {
      if (a.operation == none) continue;
      const operation& o = p.operations[a.operation];
      preparation& n = needs[static_cast<std::size_t>(a.operation)];
      n.module_attributes = o.attributes;
      n.batch = made.batch;
      n.compute = o.compute;
      n.training = made.is_training;
      n.activation_after = o.activation_after;
      n.accumulates_parameters = accumulates;
      if (a.kind == action_kind::backward_input || a.kind == action_kind::backward) {
        n.backward_input = true;
        for (bool adds : a.accumulates) n.accumulates_input = n.accumulates_input || adds;
      }
      if (a.kind == action_kind::backward_parameters || a.kind == action_kind::backward) n.backward_parameters = true;
    }
    return needs;
  }

  void prepare(const program& p, std::size_t i, std::vector<preparation>& needs) {
    const operation& o = p.operations[i];
    for (std::size_t k = 0; k < i && !states_[i]; ++k)
      if (states_[k] && is_same(p, p.operations[k], o) && needs_same(needs[k], needs[i])) states_[i] = states_[k];
    if (!states_[i]) {
      const std::vector<tensor_shape> in = shapes_of(p, o.inputs), out = shapes_of(p, o.outputs),
                                      saved = shapes_of(p, o.saved);
      preparation& n = needs[i];
      n.inputs = in;
      n.outputs = out;
      n.saved = saved;
      states_[i] = o.kernels->prepare(n);
      n.inputs = n.outputs = n.saved = {};
    }
    packed_at_[i] = packed_bytes_;
    packed_bytes_ += aligned(states_[i]->packed_bytes);
    scratch_bytes_ = std::max(scratch_bytes_, aligned(states_[i]->scratch_bytes));
  }

  template <class Tensors>
  static std::vector<tensor_shape> shapes_of(const program& p, const Tensors& tensors) {
    std::vector<tensor_shape> shapes;
    for (int t : tensors) shapes.push_back(p.tensors[t]);
    return shapes;
  }
  template <class Tensors>
  static bool has_same_shapes(const program& p, const Tensors& a, const Tensors& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                      [&](int s, int t) { return p.tensors[s] == p.tensors[t]; });
  }
  static bool is_same(const program& p, const operation& a, const operation& b) {
    return a.kernels == b.kernels && a.attributes == b.attributes && has_same_shapes(p, a.inputs, b.inputs) &&
           has_same_shapes(p, a.outputs, b.outputs) && has_same_shapes(p, a.saved, b.saved);
  }
  static bool needs_same(const preparation& a, const preparation& b) {
    return a.compute == b.compute && a.activation_after == b.activation_after && a.backward_input == b.backward_input &&
           a.backward_parameters == b.backward_parameters && a.accumulates_input == b.accumulates_input &&
           a.accumulates_parameters == b.accumulates_parameters;
  }

  std::vector<std::shared_ptr<prepared>> states_;  // one for each operation
  std::vector<std::size_t> packed_at_;
  std::size_t packed_bytes_ = 0, scratch_bytes_ = 0;
};

}  // namespace remat
