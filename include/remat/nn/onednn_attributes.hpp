// SPDX-License-Identifier: MIT
/// The attributes of a primitive: what it does in addition to its operation, and that its scratch is the caller's.
#pragma once

#include <remat/core/activation.hpp>
#include <remat/nn/onednn_layout.hpp>
#include <remat/nn/onednn_request.hpp>

namespace remat::onednn::detail {

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

}  // namespace remat::onednn::detail
