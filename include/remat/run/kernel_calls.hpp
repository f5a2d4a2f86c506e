// SPDX-License-Identifier: MIT
/// The calls of kernels that a tape makes, described once: their shapes, parameters and what was prepared for them.
/// Their addresses follow from the arena that they are bound to.
#pragma once

#include <remat/core/kernel.hpp>
#include <remat/core/list.hpp>
#include <remat/plan/plan.hpp>
#include <remat/run/parameters.hpp>
#include <remat/run/prepared_operations.hpp>

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

namespace remat {

class kernel_calls {
 public:
  /// `p` and `parameters` must outlive it.
  kernel_calls(const program& p, const plan& made, parameter_store& parameters, bool accumulates)
      : prepared_(p, made, accumulates),
        calls_(made.steps.actions.size()),
        regions_(made.regions.size()),
        parameters_(&parameters),
        gradients_(made.steps.parameter_gradients.size()) {
    for (std::size_t i = 0; i < calls_.size(); ++i)
      if (const action& a = made.steps.actions[i]; a.operation != none)
        calls_[i] = described(p, made, a, parameters, accumulates);
  }

  const prepared_operations& prepared() const { return prepared_; }
  /// That of an action which runs a kernel.
  const call& of_action(std::size_t i) const { return calls_[i]; }

  /// Moves to another arena: `regions` are where those of the plan begin.
  void bind(const tape& steps, std::span<std::byte* const> regions, std::byte* packed, std::byte* scratch) {
    std::ranges::copy(regions, regions_.begin());
    for (int slot = 0; slot < steps.parameter_gradients.count(); ++slot) {
      const int b = steps.parameter_gradients[slot];
      if (b == none) continue;
      gradients_[static_cast<std::size_t>(slot)] = {reinterpret_cast<float*>(address(steps.buffers[b])),
                                                    steps.buffers[b].bytes / sizeof(float)};
    }
    for (std::size_t i = 0; i < calls_.size(); ++i) {
      const action& a = steps.actions[i];
      if (a.operation == none) continue;
      call& c = calls_[i];
      c.scratch = scratch;
      c.packed = packed + prepared_.packed_at(a.operation);
      point(steps, c.inputs, a.inputs);
      point(steps, c.outputs, a.outputs);
      point(steps, c.saved, a.saved);
      point(steps, c.input_gradients, a.input_gradients);
      point(steps, c.output_gradients, a.output_gradients);
    }
  }

  /// The gradient of a parameter slot: in the bound arena, or in the block that outlives the step.
  std::span<float> parameter_gradient(int slot) const {
    return gradients_.empty() ? *parameters_->gradients(slot) : gradients_[static_cast<std::size_t>(slot)];
  }

  /// Where a buffer is in the bound arena.
  std::byte* address(const buffer& b) const { return regions_[static_cast<std::size_t>(b.region)] + b.offset; }

 private:
  /// Everything of a call but its addresses.
  call described(const program& p, const plan& made, const action& a, parameter_store& parameters, bool accumulates) {
    const operation& o = p.operations[a.operation];
    call c;
    c.kind = o.kind;
    c.module_attributes = o.attributes;
    c.state = prepared_.state(a.operation);
    c.batch = made.batch;
    c.input_count = o.inputs.size;
    c.output_count = o.outputs.size;
    c.activation_after = o.activation_after;
    c.accumulates_parameters = accumulates;
    for (int k = 0; k < o.inputs.size; ++k) c.input_shapes[k] = &p.tensors[o.inputs[k]];
    for (int k = 0; k < o.outputs.size; ++k) c.output_shapes[k] = &p.tensors[o.outputs[k]];
    for (int k = 0; k < o.saved.size; ++k) c.saved_shapes[k] = &p.tensors[o.saved[k]];
    for (int k = 0; k < call::max_tensors; ++k) c.accumulates[k] = a.accumulates[k];
    c.states = parameters.states(o.first_state);
    c.parameters = parameters.values(o.first_parameter);
    c.parameter_gradients = gradients(o.first_parameter);
    return c;
  }
  /// Where those of an operation begin.
  std::span<float>* gradients(int first) {
    return gradients_.empty() ? parameters_->gradients(first) : gradients_.data() + first;
  }
  void point(const tape& steps, std::byte** addresses, const few<int, operation::max_tensors>& buffers) const {
    for (int k = 0; k < buffers.size; ++k)
      addresses[k] = buffers[k] == none ? nullptr : address(steps.buffers[buffers[k]]);
  }

  prepared_operations prepared_;
  std::vector<call> calls_;          // one for each action
  std::vector<std::byte*> regions_;  // where each region of the plan begins
  parameter_store* parameters_;
  std::vector<std::span<float>> gradients_;  // of each parameter slot, where they are buffers of the tape
};

}  // namespace remat
