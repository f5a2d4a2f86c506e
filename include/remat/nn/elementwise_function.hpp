// SPDX-License-Identifier: MIT
/// Functions of one number, applied to each element of a tensor by oneDNN, whose approximations were measured to be as
/// good as PyTorch's (a relative error of 1e-7 to 3e-7; gelu_tanh's is larger where the function itself is almost 0).
///
/// `function_forward` is the forward kernel alone, for a function whose backward reads the output; `function_kernels`
/// has the backward kernel, too, which reads the input.
#pragma once

#include <remat/core/module.hpp>
#include <remat/nn/scratch.hpp>

#include <memory>

namespace remat::nn::detail {

struct prepared_function : prepared {
  onednn::primitive forward, backward;

  prepared_function(const preparation& p, onednn::function f, bool has_backward) {
    const onednn::layout x = onednn::layout::row_major({p.inputs[0].elements(p.batch)});
    forward = onednn::elementwise(f, x);
    reserve_scratch(*this, 0, forward);
    if (!has_backward || !p.backward_input) return;
    backward = onednn::elementwise_backward(f, x);
    reserve_scratch(*this, p.accumulates_input ? x.bytes() : 0, backward);
  }
};

template <onednn::function F, bool HasBackward = false>
struct function_forward {
  static std::unique_ptr<prepared> prepare(const preparation& p) {
    return std::make_unique<prepared_function>(p, F, HasBackward);
  }
  static void forward(const forward_pass& pass) {
    pass.prepared_as<prepared_function>().forward.execute(
        pass.scratch(), {{onednn::source, pass.input().data()}, {onednn::result, pass.output().data()}});
  }
};

template <onednn::function F>
struct function_kernels : function_forward<F, true> {
  static void backward_input(const backward_pass& pass) {
    write_or_add(pass.input_gradient(), pass.scratch(), [&](float* dx, std::byte* scratch) {
      pass.prepared_as<prepared_function>().backward.execute(scratch,
                                                             {{onednn::source, pass.input().data()},
                                                              {onednn::result_gradient, pass.output_gradient().data()},
                                                              {onednn::source_gradient, dx}});
    });
  }
};

}  // namespace remat::nn::detail
