// SPDX-License-Identifier: MIT
/// Logarithm of the softmax over the classes: of (C), of each row of (T, C), or over the channels of (C, H, W), pixel
/// by pixel.
///
///     forward   y = x - m - log(sum of exp(x - m)),  m the largest x
///     backward  dx = dy - exp(y) * (sum of dy)      reads the output
///
/// Backward is oneDNN's. Forward is our own: oneDNN 2.6 approximates the logarithm to 4e-6, which a confident network's
/// loss and a balanced batch's gradients show.
#pragma once

#include <remat/core/module.hpp>
#include <remat/nn/rows.hpp>
#include <remat/nn/scratch.hpp>

#include <cmath>
#include <cstddef>
#include <memory>
#include <string_view>

namespace remat::nn {
namespace detail {

REMAT_BEGIN_VECTOR_CODE

/// Rows [begin, end) of (rows, classes); y may be x.
REMAT_VECTORISED inline void log_softmax_rows(const float* x, float* y, std::size_t classes, std::size_t begin,
                                              std::size_t end) {
  for (std::size_t row = begin; row < end; ++row) {
    const float* const in = x + row * classes;
    float* const out = y + row * classes;
    const float largest = largest_of(in, classes);
    const double sum = sum_of(0, classes, [=](std::size_t c) { return exponential(in[c] - largest); });
    const float shift = static_cast<float>(std::log(sum));
    REMAT_INDEPENDENT
    for (std::size_t k = 0; k < classes; ++k) out[k] = in[k] - largest - shift;
  }
}

REMAT_END_VECTOR_CODE

struct prepared_log_softmax : prepared {
  onednn::primitive backward;

  explicit prepared_log_softmax(const preparation& p) {
    if (!p.backward_input) return;
    const std::size_t classes = row_elements(p.inputs[0]), rows = p.inputs[0].elements(p.batch) / classes;
    const onednn::layout x = onednn::layout::row_major({rows, classes});
    backward = onednn::log_softmax_backward(x);
    reserve_scratch(*this, p.accumulates_input ? x.bytes() : 0, backward);
  }
};

struct log_softmax_kernels {
  static std::unique_ptr<prepared> prepare(const preparation& p) { return std::make_unique<prepared_log_softmax>(p); }

  static void forward(const forward_pass& pass) {
    const std::span<const float> x = pass.input();
    float* const y = pass.output().data();
    const std::size_t classes = row_elements(pass.input_shape());
    parallel_for(x.size() / classes, row_grain(classes), [=, from = x.data()](std::size_t begin, std::size_t end) {
      log_softmax_rows(from, y, classes, begin, end);
    });
  }
  static void backward_input(const backward_pass& pass) {
    write_or_add(pass.input_gradient(), pass.scratch(), [&](float* dx, std::byte* scratch) {
      pass.prepared_as<prepared_log_softmax>().backward.execute(
          scratch, {{onednn::result, pass.output().data()},
                    {onednn::result_gradient, pass.output_gradient().data()},
                    {onednn::source_gradient, dx}});
    });
  }
};

}  // namespace detail

/// PyTorch's `LogSoftmax` over the last extent, of images over dim 1.
struct log_softmax : detail::normalisation_of_rows {
  static constexpr std::string_view kind = "log_softmax";

  using kernels = detail::log_softmax_kernels;
};

}  // namespace remat::nn
