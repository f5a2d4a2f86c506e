// SPDX-License-Identifier: MIT
/// What every kernel may ask of its call, with checks of the elements that it views.
#pragma once

#include <remat/core/error.hpp>
#include <remat/core/kernel_call.hpp>

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <type_traits>

namespace remat {

/// What every pass knows.
class kernel_pass {
 public:
  explicit kernel_pass(const kernel_call& c, std::optional<double> counted_in_batch = {})
      : call_(&c), counted_in_batch_(counted_in_batch) {}

  std::size_t batch() const { return call_->batch; }
  int inputs() const { return call_->input_count; }
  int outputs() const { return call_->output_count; }
  /// The activation that is fused into this operation.
  activation activation_after() const { return call_->activation_after; }
  const tensor_shape& input_shape(int i = 0) const { return shape_at(call_->input_shapes, i, "input"); }
  const tensor_shape& output_shape(int i = 0) const { return shape_at(call_->output_shapes, i, "output"); }
  /// Of a tensor that forward saves, as the module's `saved_shape` declares it.
  const tensor_shape& saved_shape(int i = 0) const { return shape_at(call_->saved_shapes, i, "saved tensor"); }
  template <class Attributes>
  const Attributes& attributes() const {
    return *static_cast<const Attributes*>(call_->module_attributes);
  }
  /// What `prepare` returned.
  template <class Prepared>
  const Prepared& prepared_as() const {
    return static_cast<const Prepared&>(*call_->state);
  }
  std::byte* scratch() const { return call_->scratch; }
  /// Packed weights, of which `prepare` has said that this pass reads them.
  std::byte* packed(std::size_t copy = 0) const {
    if (copy >= prepared::max_copies || call_->packed[copy] == nullptr) refuse_packed(copy);
    return call_->packed[copy];
  }
  std::span<const float> parameter(int i) const { return values_at(call_->parameters, i, "parameter"); }
  std::span<const float> state(int i) const { return values_at(call_->states, i, "state"); }
  /// For a loss that `divides_by_counted_in_batch`, a fact: what it counts of the targets of the whole batch, of which
  /// this pass has one micro-batch. Nothing where this pass has the whole batch.
  std::optional<double> counted_in_batch() const { return counted_in_batch_; }

 protected:
  /// The tensor's elements as what they are, or the bytes of any. (A comparison for a whole tensor; nothing is
  /// reinterpreted.)
  template <class T>
  std::span<T> view(std::byte* const* tensors, const tensor_shape* const* shapes, int i, const char* what) const {
    const tensor_shape& shape = shape_at(shapes, i, what);
    using value = std::remove_const_t<T>;
    if constexpr (std::is_same_v<value, std::byte>) {
      return {tensors[i], shape.bytes(call_->batch)};
    } else {
      require<value>(what, i, shape.type);
      return {reinterpret_cast<T*>(tensors[i]), shape.elements(call_->batch)};
    }
  }
  template <class T>
  void require(const char* what, int i, element held) const {
    if (held != element_of<T>) refuse_view(what, i, held, element_of<T>);
  }
  /// The shape of a tensor, which must be one of the operation's.
  const tensor_shape& shape_at(const tensor_shape* const* shapes, int i, const char* what) const {
    if (i < 0 || i >= kernel_call::max_tensors || shapes[i] == nullptr) refuse_missing(i, what);
    return *shapes[i];
  }
  std::span<float> values_at(value_spans declared, int i, const char* what) const {
    if (i < 0 || static_cast<std::size_t>(i) >= declared.size()) refuse_missing(i, what);
    return declared[static_cast<std::size_t>(i)];
  }
  /// The elements of a tensor of floats, of either type.
  std::size_t floats_of(const tensor_shape& shape, const char* what, int i) const {
    if (shape.type != element::bfloat16) require<float>(what, i, shape.type);
    return shape.elements(call_->batch);
  }
  [[noreturn]] void refuse_missing(int i, const char* what) const {
    throw error(std::string(call_->kind) + ": there is no " + what + " " + std::to_string(i) +
                "; the module declares those that there are, counted from 0");
  }
  [[noreturn]] void refuse_view(const char* what, int i, element held, element asked) const {
    throw error(std::string(call_->kind) + ": " + what + " " + std::to_string(i) + " holds " +
                std::string(name_of(held)) + ", and its kernel asks for " + std::string(name_of(asked)) +
                "; ask for the elements that `output` or `saved_shape` of the module declares, as in "
                "pass.input<std::int32_t>(0)");
  }
  const kernel_call* call_;

 private:
  [[noreturn]] void refuse_packed(std::size_t copy) const {
    throw error(std::string(call_->kind) + ": packed weights " + std::to_string(copy) +
                " are not there for this pass; name it among the readers of the packed_copy that `prepare` makes");
  }
  std::optional<double> counted_in_batch_;
};

}  // namespace remat
