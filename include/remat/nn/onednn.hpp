// SPDX-License-Identifier: MIT
/// The operations of oneDNN that modules use, each made ready as a primitive. What modules include: no name of oneDNN's
/// own is used outside the files onednn*.hpp.
#pragma once

#include <remat/nn/onednn_layout.hpp>
#include <remat/nn/onednn_primitive.hpp>
#include <remat/nn/onednn_request.hpp>

#include <cstddef>
#include <utility>

namespace remat::onednn {

/// c (m, n) = a (m, k) b (k, n), and a row of n added to each of c's where `bias_elements` is n.
inline primitive matrix_product(const layout& a, const layout& b, const layout& c, extras e,
                                std::size_t bias_elements = 0) {
  const layout row = bias_elements > 0 ? layout::row_major({1, bias_elements}) : layout();
  dnnl_matmul_desc_t d;
  check(dnnl_matmul_desc_init(&d, a.get(), b.get(), bias_elements > 0 ? row.get() : nullptr, c.get()),
        "describe a matrix product");
  return {&d, e, "make a matrix product"};
}

/// The three products of a convolution, y = x * w + b; the layout of w is oneDNN's choice. Without a bias `b` is null.
struct convolution {
  const layout &x, &w;
  const layout* b;
  const layout& y;
  const window& over;

  primitive forward(extras e) const {
    dnnl_convolution_desc_t d;
    check(dnnl_dilated_convolution_forward_desc_init(
              &d, dnnl_forward_training, dnnl_convolution_direct, x.get(), w.get(), b != nullptr ? b->get() : nullptr,
              y.get(), over.stride.data(), over.gaps.data(), over.padding_before.data(), over.padding_after.data()),
          "describe a convolution");
    return {&d, e, "make a convolution"};
  }
  /// oneDNN's backward wants a forward primitive as a hint, and that without post-operations and of factors of one
  /// type. Of factors of bfloat16, x may be of float32.
  primitive backward_input() const {
    dnnl_convolution_desc_t d;
    check(dnnl_dilated_convolution_backward_data_desc_init(&d, dnnl_convolution_direct, x.get(), w.get(), y.get(),
                                                           over.stride.data(), over.gaps.data(),
                                                           over.padding_before.data(), over.padding_after.data()),
          "describe a convolution's backward");
    const layout factor = x.of(w.type());
    const primitive hint = convolution{factor, w, b, y, over}.forward({});
    return {&d, {}, "make a convolution's backward", &hint};
  }
  /// The gradient of w, in a layout of its own.
  primitive backward_weights(const layout& gradient) const {
    dnnl_convolution_desc_t d;
    check(dnnl_dilated_convolution_backward_weights_desc_init(
              &d, dnnl_convolution_direct, x.get(), gradient.get(), b != nullptr ? b->get() : nullptr, y.get(),
              over.stride.data(), over.gaps.data(), over.padding_before.data(), over.padding_after.data()),
          "describe a convolution's weight gradient");
    const primitive hint = forward({});
    return {&d, {}, "make a convolution's weight gradient", &hint};
  }
};

/// The maximum over windows; in training its workspace holds the place of each maximum.
inline primitive max_pooling(const layout& x, const layout& y, const window& over, bool training) {
  dnnl_pooling_desc_t d;
  check(dnnl_pooling_forward_desc_init(&d, training ? dnnl_forward_training : dnnl_forward_inference, dnnl_pooling_max,
                                       x.get(), y.get(), over.stride.data(), over.kernel.data(),
                                       over.padding_before.data(), over.padding_after.data()),
        "describe a pooling");
  return {&d, {}, "make a pooling"};
}
inline primitive max_pooling_backward(const layout& x, const layout& y, const window& over, const primitive& forward) {
  dnnl_pooling_desc_t d;
  check(dnnl_pooling_backward_desc_init(&d, dnnl_pooling_max, x.get(), y.get(), over.stride.data(), over.kernel.data(),
                                        over.padding_before.data(), over.padding_after.data()),
        "describe a pooling's backward");
  return {&d, {}, "make a pooling's backward", &forward};
}

namespace detail {

/// The function's own algorithm, and its parameter.
inline std::pair<dnnl_alg_kind_t, float> algorithm_of(function f) {
  switch (f) {
    case function::tanh:
      return {dnnl_eltwise_tanh, 0.0f};
    case function::sigmoid:
      return {dnnl_eltwise_logistic, 0.0f};
    case function::gelu_by_tanh:
      return {dnnl_eltwise_gelu_tanh, 0.0f};
  }
  return {dnnl_alg_kind_undef, 0.0f};
}

}  // namespace detail

/// y = f(x).
inline primitive elementwise(function f, const layout& x) {
  const auto [algorithm, alpha] = detail::algorithm_of(f);
  dnnl_eltwise_desc_t d;
  check(dnnl_eltwise_forward_desc_init(&d, dnnl_forward_training, algorithm, x.get(), alpha, 0.0f),
        "describe an elementwise function");
  return {&d, {}, "make an elementwise function"};
}
/// dx = f'(x) dy, from the function's input.
inline primitive elementwise_backward(function f, const layout& x) {
  const auto [algorithm, alpha] = detail::algorithm_of(f);
  dnnl_eltwise_desc_t d;
  check(dnnl_eltwise_backward_desc_init(&d, algorithm, x.get(), x.get(), alpha, 0.0f),
        "describe an elementwise function's backward");
  const primitive hint = elementwise(f, x);
  return {&d, {}, "make an elementwise function's backward", &hint};
}

}  // namespace remat::onednn
