// SPDX-License-Identifier: MIT
/// oneDNN 2.6 behind a narrow interface: layouts, primitives and the operations that modules use. The only file that
/// includes its header or uses its names, and long for that reason: what needs none of them is in onednn_request.hpp.
///
/// Everything is made once, when a plan is built. Executing a primitive allocates nothing of ours: its memory objects
/// are its own and are pointed at the call's addresses, and scratch is the caller's (scratchpad_mode::user).
#pragma once

#include <remat/core/activation.hpp>
#include <remat/core/error.hpp>
#include <remat/nn/onednn_request.hpp>

#include <oneapi/dnnl/dnnl.h>

#include <cstddef>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

namespace remat::onednn {

inline void check(dnnl_status_t status, const char* what) {
  if (status != dnnl_success)
    throw error(std::string("oneDNN cannot ") + what + " (status " + std::to_string(static_cast<int>(status)) +
                (status == dnnl_unimplemented ? ", not implemented for these shapes)" : ")"));
}

/// The engine and the stream live as long as the process: models with static storage may be destroyed after them.
inline dnnl_engine_t engine() {
  static const dnnl_engine_t made = [] {
    dnnl_engine_t e = nullptr;
    check(dnnl_engine_create(&e, dnnl_cpu, 0), "make a CPU engine");
    return e;
  }();
  return made;
}

inline dnnl_stream_t stream() {
  static const dnnl_stream_t made = [] {
    dnnl_stream_t s = nullptr;
    check(dnnl_stream_create(&s, engine(), dnnl_stream_default_flags), "make a stream");
    return s;
  }();
  return made;
}

/// How a tensor of float32 lies in memory.
class layout {
 public:
  layout() = default;
  explicit layout(const dnnl_memory_desc_t& description) : description_(description) {}

  /// Any of oneDNN's choice.
  static layout chosen(std::initializer_list<std::size_t> extents) { return tagged(extents, dnnl_format_tag_any); }
  static layout row_major(std::initializer_list<std::size_t> extents) {
    static constexpr dnnl_format_tag_t tags[] = {dnnl_a, dnnl_ab, dnnl_abc, dnnl_abcd, dnnl_abcde};
    return tagged(extents, tags[extents.size() - 1]);
  }
  /// (rows, columns) stored as (columns, rows).
  static layout transposed(std::size_t rows, std::size_t columns) { return tagged({rows, columns}, dnnl_ba); }
  /// (N, C, H, W) stored as (N, H, W, C).
  static layout channels_last(std::initializer_list<std::size_t> extents) { return tagged(extents, dnnl_acdb); }

  /// A convolution's weights (outputs, inputs, K, K) stored as (inputs, outputs, K, K), in each of `groups`.
  static layout transposed_weights(std::size_t groups, std::size_t outputs, std::size_t inputs, std::size_t k) {
    return groups == 1 ? tagged({outputs, inputs, k, k}, dnnl_bacd)
                       : tagged({groups, outputs, inputs, k, k}, dnnl_acbde);
  }

  std::size_t bytes() const { return dnnl_memory_desc_get_size(&description_); }
  const dnnl_memory_desc_t* get() const { return &description_; }

 private:
  static layout tagged(std::initializer_list<std::size_t> extents, dnnl_format_tag_t tag) {
    dnnl_dims_t dims = {};
    int rank = 0;
    for (std::size_t e : extents) dims[rank++] = static_cast<extent>(e);
    layout made;
    check(dnnl_memory_desc_init_by_tag(&made.description_, rank, dims, dnnl_f32, tag), "describe a tensor");
    return made;
  }

  dnnl_memory_desc_t description_ = {};
};

/// The tensors of a primitive. A `_gradient` is oneDNN's "diff".
enum argument_name : int {
  source = DNNL_ARG_SRC,
  weights = DNNL_ARG_WEIGHTS,
  bias = DNNL_ARG_BIAS,
  result = DNNL_ARG_DST,
  workspace = DNNL_ARG_WORKSPACE,
  source_gradient = DNNL_ARG_DIFF_SRC,
  weights_gradient = DNNL_ARG_DIFF_WEIGHTS,
  bias_gradient = DNNL_ARG_DIFF_BIAS,
  result_gradient = DNNL_ARG_DIFF_DST,
  scratchpad = DNNL_ARG_SCRATCHPAD,
};

namespace detail {

inline dnnl_alg_kind_t algorithm_of(activation a) {
  switch (a) {
    case activation::relu:
      return dnnl_eltwise_relu;
    case activation::tanh:
      return dnnl_eltwise_tanh;
    case activation::sigmoid:
      return dnnl_eltwise_logistic;
    case activation::none:
      break;
  }
  return dnnl_alg_kind_undef;
}

/// The function's own algorithm, and its parameter.
inline std::pair<dnnl_alg_kind_t, float> algorithm_of(function f) {
  switch (f) {
    case function::tanh:
      return {dnnl_eltwise_tanh, 0.0f};
    case function::sigmoid:
      return {dnnl_eltwise_logistic, 0.0f};
    case function::gelu:
      return {dnnl_eltwise_gelu_erf, 0.0f};
    case function::gelu_by_tanh:
      return {dnnl_eltwise_gelu_tanh, 0.0f};
    case function::silu:
      return {dnnl_eltwise_swish, 1.0f};
  }
  return {dnnl_alg_kind_undef, 0.0f};
}

/// What a primitive does beside its operation, and that its scratch is the caller's.
class attributes {
 public:
  attributes() = default;
  explicit attributes(extras e) : attributes() {  // so that the destructor runs where the rest throws
    check(dnnl_primitive_attr_create(&attr_), "make attributes");
    check(dnnl_primitive_attr_set_scratchpad_mode(attr_, dnnl_scratchpad_mode_user), "leave scratch to the caller");
    if (!e.adds_to_destination && e.after == activation::none) return;
    check(dnnl_post_ops_create(&after_), "make post-operations");
    if (e.adds_to_destination) check(dnnl_post_ops_append_sum(after_, 1.0f), "add to a destination");
    if (e.after != activation::none)
      check(dnnl_post_ops_append_eltwise(after_, 1.0f, algorithm_of(e.after), 0.0f, 0.0f), "append an activation");
    check(dnnl_primitive_attr_set_post_ops(attr_, after_), "set post-operations");
  }
  ~attributes() {
    if (after_ != nullptr) dnnl_post_ops_destroy(after_);
    if (attr_ != nullptr) dnnl_primitive_attr_destroy(attr_);
  }
  attributes(const attributes&) = delete;
  attributes& operator=(const attributes&) = delete;
  const_dnnl_primitive_attr_t get() const { return attr_; }

 private:
  dnnl_primitive_attr_t attr_ = nullptr;
  dnnl_post_ops_t after_ = nullptr;
};

inline std::string_view name_of(const_dnnl_primitive_desc_t description) {
  const char* name = "";
  dnnl_primitive_desc_query(description, dnnl_query_impl_info_str, 0, &name);
  return name;
}
/// The next implementation of another name in place of `first`, or `first`.
inline dnnl_primitive_desc_t another(dnnl_primitive_desc_t first, const void* description,
                                     const_dnnl_primitive_attr_t attr, std::string_view passed_over) {
  dnnl_primitive_desc_iterator_t all = nullptr;
  if (dnnl_primitive_desc_iterator_create(&all, description, attr, engine(), nullptr) != dnnl_success) return first;
  dnnl_primitive_desc_t found = nullptr;
  while (found == nullptr && dnnl_primitive_desc_iterator_next(all) == dnnl_success) {
    found = dnnl_primitive_desc_iterator_fetch(all);
    if (found == nullptr || !name_of(found).starts_with(passed_over)) continue;
    dnnl_primitive_desc_destroy(found);
    found = nullptr;
  }
  dnnl_primitive_desc_iterator_destroy(all);
  if (found == nullptr) return first;
  dnnl_primitive_desc_destroy(first);
  return found;
}

}  // namespace detail

/// An operation made ready for certain layouts.
class primitive {
 public:
  struct argument {
    argument_name name;
    const void* address;
  };

  primitive() = default;
  /// `description` is one of oneDNN's operation descriptors; `forward` the forward primitive, where backward needs it.
  primitive(const void* description, extras e, const char* what, const primitive* forward = nullptr) : primitive() {
    const detail::attributes attr(e);
    dnnl_primitive_desc_t made = nullptr;
    check(dnnl_primitive_desc_create(&made, description, attr.get(), engine(),
                                     forward != nullptr ? forward->description_ : nullptr),
          what);
    if (!e.passed_over.empty() && detail::name_of(made).starts_with(e.passed_over))
      made = detail::another(made, description, attr.get(), e.passed_over);
    finish(made, what);
  }
  /// A copy from one layout into another.
  static primitive reorder(const layout& from, const layout& to, extras e = {}) {
    const detail::attributes attr(e);
    dnnl_primitive_desc_t made = nullptr;
    check(dnnl_reorder_primitive_desc_create(&made, from.get(), engine(), to.get(), engine(), attr.get()),
          "reorder a tensor");
    primitive p;
    p.finish(made, "reorder a tensor");
    return p;
  }
  primitive(primitive&& other) noexcept { swap(other); }
  primitive& operator=(primitive&& other) noexcept {
    swap(other);
    return *this;
  }
  ~primitive() {
    for (int i = 0; i < memories_; ++i) dnnl_memory_destroy(memory_[i].object);
    if (primitive_ != nullptr) dnnl_primitive_destroy(primitive_);
    if (description_ != nullptr) dnnl_primitive_desc_destroy(description_);
  }

  explicit operator bool() const { return primitive_ != nullptr; }
  /// The layout that an argument must have.
  layout layout_of(argument_name name) const {
    const dnnl_memory_desc_t* found = dnnl_primitive_desc_query_md(description_, dnnl_query_exec_arg_md, name);
    return found != nullptr ? layout(*found) : layout();
  }
  std::size_t scratch_bytes() const { return layout_of(scratchpad).bytes(); }
  /// oneDNN's name of the implementation that it chose.
  std::string_view implementation() const { return detail::name_of(description_); }

  void execute(void* scratch, std::initializer_list<argument> arguments) const {
    dnnl_exec_arg_t filled[max_arguments];
    int count = 0;
    for (const argument& a : arguments) filled[count++] = {a.name, pointed(a.name, a.address)};
    filled[count++] = {scratchpad, pointed(scratchpad, scratch)};
    check(dnnl_primitive_execute(primitive_, stream(), count, filled), "run a primitive");
  }

 private:
  static constexpr int max_arguments = 8;

  struct slot {
    argument_name name = source;
    dnnl_memory_t object = nullptr;
  };

  void finish(dnnl_primitive_desc_t description, const char* what) {
    description_ = description;
    check(dnnl_primitive_create(&primitive_, description_), what);
    for (argument_name name : {source, weights, bias, result, workspace, source_gradient, weights_gradient,
                               bias_gradient, result_gradient, scratchpad}) {
      const dnnl_memory_desc_t* found = dnnl_primitive_desc_query_md(description_, dnnl_query_exec_arg_md, name);
      if (found == nullptr || found->ndims == 0) continue;
      memory_[memories_].name = name;
      check(dnnl_memory_create(&memory_[memories_].object, found, engine(), DNNL_MEMORY_NONE), "make a memory object");
      ++memories_;
    }
  }
  dnnl_memory_t pointed(argument_name name, const void* address) const {
    for (int i = 0; i < memories_; ++i) {
      if (memory_[i].name != name) continue;
      check(dnnl_memory_set_data_handle(memory_[i].object, const_cast<void*>(address)), "point at a tensor");
      return memory_[i].object;
    }
    return nullptr;
  }
  void swap(primitive& other) noexcept {
    std::swap(primitive_, other.primitive_);
    std::swap(description_, other.description_);
    std::swap(memory_, other.memory_);
    std::swap(memories_, other.memories_);
  }

  dnnl_primitive_t primitive_ = nullptr;
  dnnl_primitive_desc_t description_ = nullptr;
  slot memory_[10] = {};
  int memories_ = 0;
};

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
              y.get(), over.stride.data(), over.gaps.data(), over.padding_before.data(), over.padding_behind.data()),
          "describe a convolution");
    if (is_wide_and_small()) e.passed_over = "brgconv:";
    return {&d, e, "make a convolution"};
  }
  /// Many channels of few pixels, for which oneDNN's first choice takes twice as long as its second.
  bool is_wide_and_small() const {
    const dnnl_dims_t &in = x.get()->dims, &out = y.get()->dims;
    return out[2] * out[3] <= 16 && in[1] * out[1] >= 256 * 256;
  }
  /// oneDNN's backward wants a forward primitive as a hint, and that without post-operations.
  primitive backward_input() const {
    dnnl_convolution_desc_t d;
    check(dnnl_dilated_convolution_backward_data_desc_init(&d, dnnl_convolution_direct, x.get(), w.get(), y.get(),
                                                           over.stride.data(), over.gaps.data(),
                                                           over.padding_before.data(), over.padding_behind.data()),
          "describe a convolution's backward");
    const primitive hint = forward({});
    return {&d, {}, "make a convolution's backward", &hint};
  }
  /// The gradient of w, in a layout of its own.
  primitive backward_weights(const layout& gradient) const {
    dnnl_convolution_desc_t d;
    check(dnnl_dilated_convolution_backward_weights_desc_init(
              &d, dnnl_convolution_direct, x.get(), gradient.get(), b != nullptr ? b->get() : nullptr, y.get(),
              over.stride.data(), over.gaps.data(), over.padding_before.data(), over.padding_behind.data()),
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
                                       over.padding_before.data(), over.padding_behind.data()),
        "describe a pooling");
  return {&d, {}, "make a pooling"};
}
inline primitive max_pooling_backward(const layout& x, const layout& y, const window& over, const primitive& forward) {
  dnnl_pooling_desc_t d;
  check(dnnl_pooling_backward_desc_init(&d, dnnl_pooling_max, x.get(), y.get(), over.stride.data(), over.kernel.data(),
                                        over.padding_before.data(), over.padding_behind.data()),
        "describe a pooling's backward");
  return {&d, {}, "make a pooling's backward", &forward};
}

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

/// The gradient of the log-softmax of rows.
inline primitive log_softmax_backward(const layout& rows) {
  dnnl_softmax_desc_t d;
  check(dnnl_logsoftmax_forward_desc_init(&d, dnnl_forward_training, rows.get(), 1), "describe a log-softmax");
  const primitive hint(&d, {}, "make a log-softmax");
  check(dnnl_logsoftmax_backward_desc_init(&d, rows.get(), rows.get(), 1), "describe a log-softmax's backward");
  return {&d, {}, "make a log-softmax's backward", &hint};
}

}  // namespace remat::onednn
