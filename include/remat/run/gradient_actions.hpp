// SPDX-License-Identifier: MIT
/// What a step does with gradients between kernels: the loss's is written, those of a tensor with several readers are
/// copied and added up, one is taken back through a fused activation, and those of a parameter in several places are
/// summed.
#pragma once

#include <remat/core/kernel.hpp>
#include <remat/core/parallel.hpp>
#include <remat/nn/copy_numbers.hpp>
#include <remat/plan/plan.hpp>
#include <remat/run/kernel_calls.hpp>

#include <algorithm>
#include <cstddef>
#include <span>

namespace remat {

/// Of the tape of a plan, whose buffers are where `calls` are bound to.
class gradient_actions {
 public:
  gradient_actions(const program& p, const tape& steps, const kernel_calls& calls)
      : program_(p), steps_(steps), calls_(calls) {}

  /// The gradient of the loss: `share` for each of its numbers.
  void seed(const action& a, float share) const {
    const buffer& gradient = steps_.buffers[a.outputs[0]];
    std::fill_n(reinterpret_cast<float*>(calls_.address(gradient)), gradient.bytes / sizeof(float), share);
  }
  void differentiate(const action& a) const {
    nn::differentiate(program_.operations[a.operation].gradient_through, numbers_of(a.outputs[0]),
                      numbers_of(a.output_gradients[0]), written(a.input_gradients[0]));
  }
  /// Writes the gradient of an output as that of an input, or adds it.
  void copy(const action& a, bool adds) const {
    nn::copy_numbers(numbers_of(a.output_gradients[0]), written(a.input_gradients[0], adds));
  }
  void clear(int parameter) const { std::ranges::fill(calls_.parameter_gradient(parameter), 0.0f); }
  /// Adds the gradients of a parameter's later places to that of the first, in the order of the program.
  void sum_places(int owner) const {
    float* const sum = calls_.parameter_gradient(owner).data();
    for (int slot = owner + 1; slot < program_.parameters.count(); ++slot) {
      if (program_.parameters[slot].owner != owner) continue;
      const std::span<const float> more = calls_.parameter_gradient(slot);
      elementwise(more.size(), [sum, from = more.data()](std::size_t i) { sum[i] += from[i]; });
    }
  }

 private:
  /// What a buffer of the tape holds: a tensor of floats, or the gradient of one.
  const_numbers numbers_of(int b) const {
    const buffer& held = steps_.buffers[b];
    const element type = held.is_gradient ? program_.gradient_type(held.tensor) : program_.tensors[held.tensor].type;
    return {calls_.address(held), held.bytes / size_of(type), type};
  }
  numbers written(int b, bool adds = false) const {
    const const_numbers there = numbers_of(b);
    return {calls_.address(steps_.buffers[b]), there.size, there.type, adds};
  }

  const program& program_;
  const tape& steps_;
  const kernel_calls& calls_;
};

}  // namespace remat
