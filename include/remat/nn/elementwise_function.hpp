// SPDX-License-Identifier: MIT
/// Functions of one number, applied to each element of a tensor by oneDNN, whose approximations were measured to be as
/// good as PyTorch's (a relative error of 1e-7 to 3e-7; gelu_tanh's is larger where the function itself is almost 0).
///
/// `function_forward` is the forward kernel alone, for a function whose backward reads the output; `function_kernels`
/// has the backward kernel, too, which reads the input.
#pragma once

#include <remat/core/module.hpp>
#include <remat/nn/copy_numbers.hpp>
#include <remat/nn/onednn_instructions.hpp>
#include <remat/nn/scratch.hpp>

#include <cstddef>
#include <memory>

namespace remat::nn::detail {

struct prepared_function : prepared {
  onednn::primitive forward, backward;
  element of_forward = element::float32;   ///< what forward reads and writes: bfloat16 where both are, if oneDNN can
  element of_backward = element::float32;  ///< and backward: bfloat16 where all of its tensors are, and oneDNN has that
  std::size_t y_bytes = 0;                 ///< of forward's result in scratch, where that is rounded after
  std::size_t x_at = 0, dy_at = 0, dx_at = 0, primitive_at = 0;  ///< of those that are not, and of one that is added

  prepared_function(const preparation& p, onednn::function f, bool has_backward) {
    const std::size_t size = p.inputs[0].elements(p.batch);
    const onednn::layout x = onednn::layout::row_major({size});
    // Without vectors of sixteen floats oneDNN has none of these of bfloat16.
    const bool has_rounded = onednn::instructions() != onednn::instruction_set::other;
    if (has_rounded && p.inputs[0].type == p.outputs[0].type) of_forward = p.outputs[0].type;
    y_bytes = of_forward != p.outputs[0].type ? aligned(size * sizeof(float)) : 0;
    forward = onednn::elementwise(f, x.of(of_forward));
    reserve_scratch(*this, passes::forward, y_bytes, forward);
    if (!has_backward || !p.backward_input) return;
    const element types[] = {p.inputs[0].type, p.output_gradient_type(), p.input_gradient_type()};
    if (has_rounded && types[0] == types[1] && types[1] == types[2]) of_backward = types[0];
    const auto room = [&](element type, bool is_needed) {
      return type != of_backward || is_needed ? aligned(size * sizeof(float)) : 0;
    };
    dy_at = room(types[0], false);
    dx_at = dy_at + room(types[1], false);
    primitive_at = dx_at + room(types[2], p.accumulates_input);
    backward = onednn::elementwise_backward(f, x.of(of_backward));
    reserve_scratch(*this, passes::backward_input, primitive_at, backward);
  }
};

template <onednn::function F, bool HasBackward = false>
struct function_forward {
  static std::unique_ptr<prepared> prepare(const preparation& p) {
    return std::make_unique<prepared_function>(p, F, HasBackward);
  }
  static void forward(const forward_pass& pass) {
    const auto& state = pass.prepared_as<prepared_function>();
    const numbers to = pass.output_numbers();
    const numbers y{state.y_bytes > 0 ? pass.scratch() : to.data, to.size, state.of_forward};
    const_numbers x = pass.input_numbers();
    if (x.type != y.type) {
      copy_numbers(x, y);
      x = y;
    }
    state.forward.execute(pass.scratch() + state.y_bytes, {{onednn::source, x.data}, {onednn::result, y.data}});
    if (state.y_bytes > 0) copy_numbers(y, to);
  }
};

template <onednn::function F>
struct function_kernels : function_forward<F, true> {
  static void backward_input(const backward_pass& pass) {
    const auto& state = pass.prepared_as<prepared_function>();
    const element type = state.of_backward;
    const numbers to = pass.input_gradient_numbers();
    const bool waits = to.type != type || to.accumulates;
    std::byte* const dx = waits ? pass.scratch() + state.dx_at : to.data;
    state.backward.execute(
        pass.scratch() + state.primitive_at,
        {{onednn::source, factors_of(pass.input_numbers(), type, pass.scratch() + state.x_at)},
         {onednn::result_gradient, factors_of(pass.output_gradient_numbers(), type, pass.scratch() + state.dy_at)},
         {onednn::source_gradient, dx}});
    if (waits) copy_numbers({dx, to.size, type}, to);
  }
};

}  // namespace remat::nn::detail
