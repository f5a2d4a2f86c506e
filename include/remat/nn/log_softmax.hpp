// SPDX-License-Identifier: MIT
/// Logarithm of the softmax over the classes: of (C), or over the channels of (C, H, W), pixel by pixel.
///
///     forward   y = x - log(sum of exp x)
///     backward  dx = dy - exp(y) * (sum of dy)      reads the output
#pragma once

#include <remat/core/module.hpp>
#include <remat/nn/scratch.hpp>

#include <cstddef>
#include <memory>
#include <string_view>

namespace remat::nn {
namespace detail {

struct prepared_log_softmax : prepared {
  onednn::primitive forward, backward;

  explicit prepared_log_softmax(const preparation& p) {
    const std::size_t classes = p.inputs[0].channels(), rows = p.inputs[0].elements(p.batch) / classes;
    const onednn::layout x = onednn::layout::row_major({rows, classes});
    dnnl_softmax_desc_t d;
    onednn::check(dnnl_logsoftmax_forward_desc_init(&d, dnnl_forward_training, x.get(), 1), "describe a log-softmax");
    forward = {&d, {}, "make a log-softmax"};
    reserve_scratch(*this, 0, forward);
    if (!p.backward_input) return;
    onednn::check(dnnl_logsoftmax_backward_desc_init(&d, x.get(), x.get(), 1), "describe a log-softmax's backward");
    backward = {&d, {}, "make a log-softmax's backward", &forward};
    reserve_scratch(*this, p.accumulates_input ? x.bytes() : 0, backward);
  }
};

struct log_softmax_kernels {
  static std::unique_ptr<prepared> prepare(const preparation& p) { return std::make_unique<prepared_log_softmax>(p); }

  static void forward(const forward_pass& pass) {
    pass.prepared_as<prepared_log_softmax>().forward.execute(
        pass.scratch(), {{DNNL_ARG_SRC, pass.input().data()}, {DNNL_ARG_DST, pass.output().data()}});
  }
  static void backward_input(const backward_pass& pass) {
    const destination dx = pass.input_gradient();
    float* const temporary = reinterpret_cast<float*>(pass.scratch());
    const std::size_t own = dx.accumulates() ? scratch_aligned(dx.size() * sizeof(float)) : 0;
    pass.prepared_as<prepared_log_softmax>().backward.execute(pass.scratch() + own,
                                                              {{DNNL_ARG_DST, pass.output().data()},
                                                               {DNNL_ARG_DIFF_DST, pass.output_gradient().data()},
                                                               {DNNL_ARG_DIFF_SRC, dx.accumulates() ? temporary : dx.data()}});
    if (dx.accumulates()) add(temporary, dx);
  }
};

}  // namespace detail

struct log_softmax : module {
  static constexpr std::string_view kind = "log_softmax";
  template <class T, std::size_t C>
  static tensor<T, C> output(tensor<T, C>);
  template <class T, std::size_t C, std::size_t H, std::size_t W>
  static tensor<T, C, H, W> output(tensor<T, C, H, W>);
  static constexpr reads backward_input_reads = reads::outputs;
  static constexpr bool in_place = true;
  static constexpr double flops(const tensor_shape& input, const tensor_shape&) { return 8.0 * static_cast<double>(input.elements()); }

  using kernels = detail::log_softmax_kernels;
};

}  // namespace remat::nn
