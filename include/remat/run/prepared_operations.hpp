// SPDX-License-Identifier: MIT
/// What the operations of a plan prepare before any step: primitives for the shapes and the passes that the plan has.
/// They say how much scratch and packed weights take (kernel_memory.hpp). Operations with equal shapes and needs share
/// what they prepare.
#pragma once

#include <remat/core/error.hpp>
#include <remat/core/kernel.hpp>
#include <remat/plan/plan.hpp>
#include <remat/run/module_errors.hpp>
#include <remat/run/widened_operation.hpp>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

namespace remat {

class prepared_operations {
 public:
  /// `accumulates`: gradients of parameters are added to those that are there.
  prepared_operations(const program& p, const plan& made, bool accumulates) : states_(p.operations.size()) {
    std::vector<preparation> needs = needs_of(p, made, accumulates);
    for (std::size_t i = 0; i < needs.size(); ++i)
      if (needs[i].batch != 0 &&
          (p.operations[i].kernels->prepare != nullptr || widened_operation::is_widened(p.operations[i])))
        detail::naming_module(p, p.operations[i], [&] { prepare(p, i, needs); });
  }

  /// What an operation has prepared, or null.
  const prepared* state(int operation) const { return states_[static_cast<std::size_t>(operation)].get(); }
  /// Of operations.
  std::size_t count() const { return states_.size(); }

 private:
  /// What the tape asks of each operation; those that it does not run have a batch of 0.
  static std::vector<preparation> needs_of(const program& p, const plan& made, bool accumulates) {
    std::vector<preparation> needs(p.operations.size());
    for (const action& a : made.steps.actions) {
      if (a.operation == core::none) continue;
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
    if (states_[i]) return;
    const std::vector<tensor_shape> in = shapes_of(p, o.inputs), out = shapes_of(p, o.outputs),
                                    saved = shapes_of(p, o.saved);
    const std::vector<element> of_in = gradient_types(p, o.inputs), of_out = gradient_types(p, o.outputs);
    preparation& n = needs[i];
    n.inputs = in;
    n.outputs = out;
    n.saved = saved;
    n.input_gradients = of_in;
    n.output_gradients = of_out;
    if (widened_operation::is_widened(o))
      states_[i] = std::make_unique<widened_operation>(o, n);
    else
      states_[i] = o.kernels->prepare(n);
    n.inputs = n.outputs = n.saved = {};
    n.input_gradients = n.output_gradients = {};
    require_packs(o, *states_[i]);
  }
  static void require_packs(const operation& o, const prepared& state) {
    if (state.packed.size() > prepared::max_copies)
      throw error(std::string(o.kind) + ": `prepare` asks for packed weights " + std::to_string(state.packed.size()) +
                  " times, and a kernel has at most " + std::to_string(prepared::max_copies));
    if (!state.packed.empty() && o.kernels->pack == nullptr)
      throw error(std::string(o.kind) + ": `prepare` asks for packed weights, and no kernel writes them; give it " +
                  "static void pack(const remat::pack_pass&)");
  }

  template <class Tensors>
  static std::vector<tensor_shape> shapes_of(const program& p, const Tensors& tensors) {
    std::vector<tensor_shape> shapes;
    for (int t : tensors) shapes.push_back(p.tensors[t]);
    return shapes;
  }
  template <class Tensors>
  static std::vector<element> gradient_types(const program& p, const Tensors& tensors) {
    std::vector<element> types;
    for (int t : tensors) types.push_back(p.gradient_type(t));
    return types;
  }
  template <class Tensors>
  static bool has_same_shapes(const program& p, const Tensors& a, const Tensors& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), [&](int s, int t) {
      return p.tensors[s] == p.tensors[t] && p.gradient_type(s) == p.gradient_type(t);
    });
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
};

}  // namespace remat
