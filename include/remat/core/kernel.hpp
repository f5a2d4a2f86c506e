// SPDX-License-Identifier: MIT
/// Kernels: what a module computes, as plain functions that take extents and addresses as values.
///
/// A module's kernels are static functions of an empty type (the module itself, or a type that it names `kernels`):
///
///     static void forward(const forward_pass&);
///     static void backward_input(const backward_pass&);         // optional: gradient of the inputs
///     static void backward_parameters(const backward_pass&);    // optional: gradient of the parameters
///     static void backward(const backward_pass&);               // optional: both at once, where both are wanted; the
///                                                               // same bits as one after the other
///     static std::unique_ptr<prepared> prepare(const preparation&);  // optional: primitives, scratch, packed weights
///     static void pack(const pack_pass&);                       // for each packed copy that it prepares (prepared.hpp)
///     static void update_state(const update_pass&);             // optional: after the first forward pass alone
///
/// The type of a module does not reach them, so `linear<8, 8>` and `linear<9, 9>` share one set.
#pragma once

#include <remat/core/destination.hpp>
#include <remat/core/error.hpp>
#include <remat/core/kernel_pass.hpp>
#include <remat/core/numbers.hpp>
#include <remat/core/parallel.hpp>
#include <remat/core/random.hpp>
#include <remat/core/tensor.hpp>

#include <cstddef>
#include <optional>
#include <span>
#include <string>

namespace remat {

/// Packing of parameters into the layout that other passes read. All of the copy is to be written.
class pack_pass : public kernel_pass {
 public:
  pack_pass(const kernel_call& c, std::size_t copy) : kernel_pass(c), copy_(copy) {}

  /// Which of the packed weights that `prepare` has asked for.
  std::size_t copy() const { return copy_; }
  std::byte* packed() const { return kernel_pass::packed(copy_); }

 private:
  std::size_t copy_;
};

/// The targets of a (micro-)batch before it runs: what the `counted` of a loss is given. Inputs and their shapes are
/// those of the targets, counted from 0.
class target_pass : public kernel_pass {
 public:
  using kernel_pass::kernel_pass;

  template <class T = float>
  std::span<const T> target(int i = 0) const {
    return view<const T>(call_->inputs, call_->input_shapes, i, "input");
  }
};

/// Forward and recomputation alike: a recomputation must not know that it is one.
class forward_pass : public kernel_pass {
 public:
  forward_pass(const kernel_call& c, bool training, const random_stream& random,
               std::optional<double> counted_in_batch = {})
      : kernel_pass(c, counted_in_batch), training_(training), random_(random) {}

  template <class T = float>
  std::span<const T> input(int i = 0) const {
    return view<const T>(call_->inputs, call_->input_shapes, i, "input");
  }
  /// Empty where nobody reads it, of a module that says it `skips_outputs`.
  template <class T = float>
  std::span<T> output(int i = 0) const {
    shape_at(call_->output_shapes, i, "output");
    if (call_->outputs[i] == nullptr) return {};
    return view<T>(call_->outputs, call_->output_shapes, i, "output");
  }
  /// Of a module that `takes_bfloat16`: its floats, of either type.
  const_numbers input_numbers(int i = 0) const {
    const tensor_shape& shape = shape_at(call_->input_shapes, i, "input");
    return {call_->inputs[i], floats_of(shape, "input", i), shape.type};
  }
  numbers output_numbers(int i = 0) const {
    const tensor_shape& shape = shape_at(call_->output_shapes, i, "output");
    return {call_->outputs[i], floats_of(shape, "output", i), shape.type};
  }
  /// An extra tensor that backward will read; empty in inference.
  template <class T = float>
  std::span<T> saved(int i = 0) const {
    shape_at(call_->saved_shapes, i, "saved tensor");
    if (call_->saved[i] == nullptr) return {};
    return view<T>(call_->saved, call_->saved_shapes, i, "saved tensor");
  }
  bool training() const { return training_; }
  /// The operation's own random numbers in this step and micro-batch.
  const random_stream& random() const { return random_; }

 private:
  bool training_;
  random_stream random_;
};

/// The first forward pass of a training step is over: the only place where a module's state may change. A recomputation
/// sees the state that it changed to, so forward must not depend on it in training.
class update_pass : public kernel_pass {
 public:
  using kernel_pass::kernel_pass;

  template <class T = float>
  std::span<const T> input(int i = 0) const {
    return view<const T>(call_->inputs, call_->input_shapes, i, "input");
  }
  template <class T = float>
  std::span<const T> output(int i = 0) const {
    return view<const T>(call_->outputs, call_->output_shapes, i, "output");
  }
  template <class T = float>
  std::span<const T> saved(int i = 0) const {
    return view<const T>(call_->saved, call_->saved_shapes, i, "saved tensor");
  }
  std::span<float> state(int i) const { return values_at(call_->states, i, "state"); }
};

/// Either half of backward. Only the tensors that the module says this half reads may be read; another is an `error`.
class backward_pass : public kernel_pass {
 public:
  backward_pass(const kernel_call& c, const random_stream& random, std::optional<double> counted_in_batch = {})
      : kernel_pass(c, counted_in_batch), random_(random) {}

  template <class T = float>
  std::span<const T> input(int i = 0) const {
    return declared<T>(call_->inputs, call_->input_shapes, i, "input");
  }
  template <class T = float>
  std::span<const T> output(int i = 0) const {
    return declared<T>(call_->outputs, call_->output_shapes, i, "output");
  }
  template <class T = float>
  std::span<const T> saved(int i = 0) const {
    return declared<T>(call_->saved, call_->saved_shapes, i, "saved tensor");
  }
  /// Whether output i led to the loss; where it did not, it has no gradient, and to ask for it is an `error`.
  bool has_output_gradient(int i = 0) const {
    shape_at(call_->output_shapes, i, "output");
    return call_->output_gradients[i] != nullptr;
  }
  std::span<const float> output_gradient(int i = 0) const {
    const const_numbers held = output_gradient_numbers(i);
    require<float>("the gradient of output", i, held.type);
    return {reinterpret_cast<const float*>(held.data), held.size};
  }
  /// Whether somebody wants the gradient of input i; where nobody does, to ask for it is an `error`. At least one input
  /// has one that is wanted.
  bool wants_input_gradient(int i = 0) const {
    shape_at(call_->input_shapes, i, "input");
    return call_->input_gradients[i] != nullptr;
  }
  destination input_gradient(int i = 0) const {
    const numbers to = input_gradient_numbers(i);
    require<float>("the gradient of input", i, to.type);
    if (to.data == nullptr) refuse_unwanted(i);
    return {reinterpret_cast<float*>(to.data), to.size, to.accumulates};
  }
  /// Of a module that `takes_bfloat16`: its floats, of either type.
  const_numbers input_numbers(int i = 0) const {
    return declared_numbers(call_->inputs, call_->input_shapes, i, "input");
  }
  const_numbers output_numbers(int i = 0) const {
    return declared_numbers(call_->outputs, call_->output_shapes, i, "output");
  }
  const_numbers output_gradient_numbers(int i = 0) const {
    const tensor_shape& shape = shape_at(call_->output_shapes, i, "output");
    if (call_->output_gradients[i] == nullptr) refuse_no_gradient(i);
    return {call_->output_gradients[i], shape.elements(call_->batch), call_->output_gradient_types[i]};
  }
  /// Without an address where nobody wants it.
  numbers input_gradient_numbers(int i = 0) const {
    const std::size_t size = shape_at(call_->input_shapes, i, "input").elements(call_->batch);
    return {call_->input_gradients[i], size, call_->input_gradient_types[i], call_->accumulates[i]};
  }
  destination parameter_gradient(int i) const {
    const std::span<float> values = values_at(call_->parameter_gradients, i, "parameter");
    return {values.data(), values.size(), call_->accumulates_parameters};
  }
  const random_stream& random() const { return random_; }

 private:
  template <class T>
  std::span<const T> declared(std::byte* const* tensors, const tensor_shape* const* shapes, int i,
                              const char* what) const {
    shape_at(shapes, i, what);
    if (tensors[i] == nullptr) refuse_undeclared(i, what);
    return view<const T>(tensors, shapes, i, what);
  }
  const_numbers declared_numbers(std::byte* const* tensors, const tensor_shape* const* shapes, int i,
                                 const char* what) const {
    const tensor_shape& shape = shape_at(shapes, i, what);
    if (tensors[i] == nullptr) refuse_undeclared(i, what);
    return {tensors[i], floats_of(shape, what, i), shape.type};
  }
  [[noreturn]] void refuse_undeclared(int i, const char* what) const {
    throw error(std::string(call_->kind) + ": backward reads " + what + " " + std::to_string(i) +
                " without saying so; add it to the module's backward_input_reads or backward_parameters_reads");
  }
  [[noreturn]] void refuse_unwanted(int i) const {
    throw error(std::string(call_->kind) + ": nobody wants the gradient of input " + std::to_string(i) +
                " here; compute it where wants_input_gradient(" + std::to_string(i) + ")");
  }
  [[noreturn]] void refuse_no_gradient(int i) const {
    throw error(std::string(call_->kind) + ": output " + std::to_string(i) +
                " did not lead to the loss and has no gradient; read it where has_output_gradient(" +
                std::to_string(i) + ")");
  }

  random_stream random_;
};

}  // namespace remat
