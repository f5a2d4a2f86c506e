// SPDX-License-Identifier: MIT
/// A primitive of oneDNN, made once, when a plan is built. Executing it allocates nothing of ours: its memory objects
/// are its own and are pointed at the call's addresses, and scratch is the caller's (scratchpad_mode::user). Where
/// several threads execute one at once, each has memory objects of its own (`serve`).
///
/// oneDNN itself keeps the last 1,024 primitives of the process, whoever made them; DNNL_PRIMITIVE_CACHE_CAPACITY in
/// the environment sets how many.
#pragma once

#include <remat/nn/onednn_attributes.hpp>
#include <remat/nn/onednn_layout.hpp>
#include <remat/nn/onednn_request.hpp>
#include <remat/nn/onednn_skipped.hpp>

#include <cstddef>
#include <initializer_list>
#include <string_view>
#include <utility>
#include <vector>

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

/// The first implementation that is not skipped (onednn_skipped.hpp).
inline dnnl_primitive_desc_t made_description(const void* description, const extras& e, const char* what,
                                              const_dnnl_primitive_desc_t forward) {
  const attributes attr(e);
  dnnl_primitive_desc_iterator_t all = nullptr;
  check(dnnl_primitive_desc_iterator_create(&all, description, attr.get(), engine(), forward), what);
  dnnl_primitive_desc_t found = dnnl_primitive_desc_iterator_fetch(all);
  while (found != nullptr && is_skipped(description, e, name_of(found))) {
    dnnl_primitive_desc_destroy(found);
    found = dnnl_primitive_desc_iterator_next(all) == dnnl_success ? dnnl_primitive_desc_iterator_fetch(all) : nullptr;
  }
  dnnl_primitive_desc_iterator_destroy(all);
  check(found != nullptr ? dnnl_success : dnnl_unimplemented, what);
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
    finish(detail::made_description(description, e, what, forward != nullptr ? forward->description_ : nullptr), what);
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
    for (const dnnl_memory_t object : objects_) dnnl_memory_destroy(object);
    if (primitive_ != nullptr) dnnl_primitive_destroy(primitive_);
    if (description_ != nullptr) dnnl_primitive_desc_destroy(description_);
  }

  explicit operator bool() const { return primitive_ != nullptr; }
  /// The layout that an argument must have.
  layout layout_of(argument_name name) const {
    const dnnl_memory_desc_t* const found = memory_of(name);
    return found != nullptr ? layout(*found) : layout();
  }
  std::size_t scratch_bytes() const { return layout_of(scratchpad).bytes(); }
  /// oneDNN's name of the implementation that it chose.
  std::string_view implementation() const { return detail::name_of(description_); }

  /// From now on this many threads may execute it at once, each on a scratch of its own.
  void serve(std::size_t callers) {
    while (objects_.size() < callers * static_cast<std::size_t>(memories_)) add_objects();
  }

  /// `caller` is below what it serves, 1 at first.
  void execute(void* scratch, std::initializer_list<argument> arguments, std::size_t caller = 0) const {
    const dnnl_memory_t* const objects = objects_.data() + caller * static_cast<std::size_t>(memories_);
    dnnl_exec_arg_t filled[max_arguments];
    int count = 0;
    for (const argument& a : arguments) filled[count++] = {a.name, pointed(objects, a.name, a.address)};
    filled[count++] = {scratchpad, pointed(objects, scratchpad, scratch)};
    check(dnnl_primitive_execute(primitive_, stream(), count, filled), "run a primitive");
  }

 private:
  static constexpr int max_arguments = 8;

  void finish(dnnl_primitive_desc_t description, const char* what) {
    description_ = description;
    check(dnnl_primitive_create(&primitive_, description_), what);
    for (argument_name name : {source, weights, bias, result, workspace, source_gradient, weights_gradient,
                               bias_gradient, result_gradient, scratchpad})
      if (const dnnl_memory_desc_t* const found = memory_of(name); found != nullptr && found->ndims > 0)
        names_[memories_++] = name;
    add_objects();
  }
  const dnnl_memory_desc_t* memory_of(argument_name name) const {
    return dnnl_primitive_desc_query_md(description_, dnnl_query_exec_arg_md, name);
  }
  /// Memory objects for one more caller.
  void add_objects() {
    for (int i = 0; i < memories_; ++i)
      check(dnnl_memory_create(&objects_.emplace_back(nullptr), memory_of(names_[i]), engine(), DNNL_MEMORY_NONE),
            "make a memory object");
  }
  dnnl_memory_t pointed(const dnnl_memory_t* objects, argument_name name, const void* address) const {
    for (int i = 0; i < memories_; ++i) {
      if (names_[i] != name) continue;
      check(dnnl_memory_set_data_handle(objects[i], const_cast<void*>(address)), "point at a tensor");
      return objects[i];
    }
    return nullptr;
  }
  void swap(primitive& other) noexcept {
    std::swap(primitive_, other.primitive_);
    std::swap(description_, other.description_);
    std::swap(names_, other.names_);
    std::swap(memories_, other.memories_);
    std::swap(objects_, other.objects_);
  }

  dnnl_primitive_t primitive_ = nullptr;
  dnnl_primitive_desc_t description_ = nullptr;
  argument_name names_[10] = {};  // of what it takes
  int memories_ = 0;
  std::vector<dnnl_memory_t> objects_;  // for each caller, as many
};

}  // namespace remat::onednn
