// SPDX-License-Identifier: MIT
/// The calls of kernels that a tape makes: their shapes, parameters and what was prepared for them, and the memory that
/// they need in addition to tensors. Their addresses follow from the arena that they are bound to. A call is put
/// together when its action runs, so that very long tapes hold none of them.
#pragma once

#include <remat/core/kernel.hpp>
#include <remat/core/list.hpp>
#include <remat/plan/plan.hpp>
#include <remat/run/parameter_store.hpp>
#include <remat/run/planned_kernels.hpp>
#include <remat/run/widened_operation.hpp>

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

namespace remat {

class kernel_calls {
 public:
  /// Adds pack actions to the plan's tape. `p` and `parameters` must outlive it. `like`: the calls of other
  /// micro-batches of this size, whose packed weights these read where they are kept.
  kernel_calls(const program& p, plan& made, parameter_store& parameters, const kernel_options& how,
               const kernel_calls* like)
      : kernels_(p, made, how, like != nullptr ? &like->kernels_ : nullptr),
        regions_(made.regions.size()),
        parameters_(&parameters),
        gradients_(made.steps.parameter_gradients.size()),
        accumulates_(how.accumulates) {}

  const kernel_memory& memory() const { return kernels_.memory(); }

  /// f(the call of an action which runs a kernel, in the bound arena): of floats where the operation is widened. The
  /// program and the plan are those that this was made for.
  template <class F>
  void with_call(const program& p, const plan& made, std::size_t i, const F& f) {
    const kernel_call c = of_action(p, made, i);
    const action& a = made.steps.actions[i];
    if (!widened_operation::is_widened(p.operations[a.operation])) return f(c);
    const auto& widened = static_cast<const widened_operation&>(*c.state);
    if (a.kind == action_kind::pack) return f(widened.packing(c));
    widened.run(c, detail::pass_of(a.kind), f);
  }

  /// Moves to another arena: `regions` are where those of the plan begin, `for_step` and `passing` the two parts of the
  /// kernels' memory.
  void bind(const tape& steps, std::span<std::byte* const> regions, std::byte* for_step, std::byte* passing) {
    std::ranges::copy(regions, regions_.begin());
    for (int slot = 0; slot < steps.parameter_gradients.count(); ++slot) {
      const int b = steps.parameter_gradients[slot];
      if (b == core::none) continue;
      gradients_[static_cast<std::size_t>(slot)] = {reinterpret_cast<float*>(address(steps.buffers[b])),
                                                    steps.buffers[b].bytes / sizeof(float)};
    }
    for_step_ = for_step;
    passing_ = passing;
  }

  /// The gradient of a parameter slot: in the bound arena, or in the block that outlives the step.
  std::span<float> parameter_gradient(int slot) const {
    return gradients_.empty() ? parameters_->gradient(slot) : gradients_[static_cast<std::size_t>(slot)];
  }

  /// Where a buffer is in the bound arena.
  std::byte* address(const buffer& b) const { return regions_[static_cast<std::size_t>(b.region)] + b.offset; }
  std::byte* address(const kernel_buffer& b) const { return (b.is_for_step ? for_step_ : passing_) + b.offset; }

 private:
  kernel_call of_action(const program& p, const plan& made, std::size_t i) {
    const action& a = made.steps.actions[i];
    kernel_call c = described(p, made, a);
    const kernel_memory::of_action& here = kernels_.memory().at(static_cast<int>(i));
    c.scratch = address(here.scratch);
    for (std::size_t k = 0; k < prepared::max_copies; ++k) c.packed[k] = address(here.packed[k]);
    point(made.steps, c.inputs, a.inputs);
    point(made.steps, c.outputs, a.outputs);
    point(made.steps, c.saved, a.saved);
    point(made.steps, c.input_gradients, a.input_gradients);
    point(made.steps, c.output_gradients, a.output_gradients);
    return c;
  }
  /// Everything of a call but its addresses.
  kernel_call described(const program& p, const plan& made, const action& a) {
    const operation& o = p.operations[a.operation];
    kernel_call c;
    c.kind = o.kind;
    c.module_attributes = o.attributes;
    c.state = kernels_.state(a.operation);
    c.batch = made.batch;
    c.input_count = o.inputs.size;
    c.output_count = o.outputs.size;
    c.activation_after = o.activation_after;
    c.accumulates_parameters = accumulates_;
    for (int k = 0; k < o.inputs.size; ++k) {
      c.input_shapes[k] = &p.tensors[o.inputs[k]];
      c.input_gradient_types[k] = p.gradient_type(o.inputs[k]);
    }
    for (int k = 0; k < o.outputs.size; ++k) {
      c.output_shapes[k] = &p.tensors[o.outputs[k]];
      c.output_gradient_types[k] = p.gradient_type(o.outputs[k]);
    }
    for (int k = 0; k < o.saved.size; ++k) c.saved_shapes[k] = &p.tensors[o.saved[k]];
    for (int k = 0; k < kernel_call::max_tensors; ++k) c.accumulates[k] = a.accumulates[k];
    c.states = parameters_->states(o.first_state, o.states);
    c.parameters = parameters_->values(o.first_parameter, o.parameters);
    c.parameter_gradients = gradients(o.first_parameter, o.parameters);
    return c;
  }
  /// Those of an operation.
  value_spans gradients(int first, int count) {
    if (gradients_.empty()) return parameters_->gradients(first, count);
    return part_of(gradients_, first, count);
  }
  void point(const tape& steps, std::byte** addresses,
             const core::short_list<int, operation::max_tensors>& buffers) const {
    for (int k = 0; k < buffers.size; ++k)
      addresses[k] = buffers[k] == core::none ? nullptr : address(steps.buffers[buffers[k]]);
  }

  std::byte* address(int kernel_buffer) const {
    return kernel_buffer == core::none ? nullptr : address(memory().buffers()[static_cast<std::size_t>(kernel_buffer)]);
  }

  planned_kernels kernels_;
  std::byte *for_step_ = nullptr, *passing_ = nullptr;
  std::vector<std::byte*> regions_;  // where each region of the plan begins
  parameter_store* parameters_;
  std::vector<std::span<float>> gradients_;  // of each parameter slot, where they are buffers of the tape
  bool accumulates_;
};

}  // namespace remat
