// SPDX-License-Identifier: MIT
/// A primitive of oneDNN, made once, when a plan is built. Executing it allocates nothing of ours: its memory objects
/// are its own and are pointed at the call's addresses, and scratch is the caller's (scratchpad_mode::user).
#pragma once

#include <remat/nn/onednn_attributes.hpp>
#include <remat/nn/onednn_layout.hpp>
#include <remat/nn/onednn_request.hpp>

#include <cstddef>
#include <initializer_list>
#include <string_view>
#include <utility>

namespace remat::onednn {

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

}  // namespace remat::onednn
