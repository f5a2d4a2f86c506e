// SPDX-License-Identifier: MIT
// The kernels of one module, run by themselves: forward, then backward, as an executor calls them.
#pragma once

#include "same_bits.hpp"

#include <remat/remat.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

using floats = std::vector<float>;

/// Numbers between -2 and 2 without a pattern that a kernel could have.
inline float number(std::size_t i, std::size_t salt) {
  return 2 * std::sin(static_cast<float>((i * 7919 + salt * 104729) % 65521));
}

/// What the kernels of a module are called with, as values.
struct module_facts {
  std::string_view kind;
  const void* attributes = nullptr;
  const remat::kernel_table* kernels = nullptr;
  std::vector<remat::tensor_shape> inputs = {}, saved = {};
  remat::tensor_shape output = {};
  std::vector<remat::parameter> parameters = {}, states = {};
  bool is_loss = false;
};

class module_run {
 public:
  std::vector<floats> inputs, outputs, parameters, states;
  floats output_gradient;
  std::vector<std::vector<std::int32_t>> integers;  // one for each input; empty where it holds floats

  /// Inputs, parameters and the gradient of the output have values; an input of integers holds 0 to `rows` - 1.
  module_run(module_facts module, std::size_t batch, std::size_t rows) : module_(std::move(module)), batch_(batch) {
    std::size_t salt = 1;
    for (const remat::tensor_shape& s : module_.inputs) {
      inputs.push_back(values(s.elements(batch), salt++));
      integers.emplace_back();
      if (s.type == remat::element::int32)
        for (std::size_t i = 0; i < inputs.back().size(); ++i)
          integers.back().push_back(static_cast<std::int32_t>(i * 31 % rows));
    }
    for (const remat::parameter& p : module_.parameters) parameters.push_back(values(p.elements(), salt++));
    for (const remat::parameter& s : module_.states)
      s.start.fill(states.emplace_back(s.elements()), remat::random_stream(1, 1));
    for (const remat::tensor_shape& s : module_.saved) saved_values_.emplace_back(s.elements(batch));
    outputs.emplace_back(module_.output.elements(batch));
    output_gradient = values(module_.output.elements(batch), salt);
  }

  std::string_view kind() const { return module_.kind; }

  /// Primitives for this number of threads, and the forward pass.
  void forward(int threads = 1, bool accumulates = false) {
    const remat::thread_scope scope(threads);
    remat::preparation p;
    p.module_attributes = module_.attributes;
    p.inputs = module_.inputs;
    p.outputs = {&module_.output, 1};
    p.batch = batch_;
    p.backward_input = p.backward_parameters = true;
    p.accumulates_input = p.accumulates_parameters = accumulates;
    if (module_.kernels->prepare != nullptr) state_ = module_.kernels->prepare(p);
    scratch_.assign(state_ ? state_->scratch_of() / sizeof(double) + 8 : 0, std::nan(""));
    const remat::kernel_call c = made(accumulates, nullptr);
    module_.kernels->forward(remat::forward_pass(c, true, random_));
  }

  enum class halves { apart, together };

  /// The gradients of the inputs of float, then of the parameters, which hold `start` before where they accumulate.
  std::vector<floats> backward(int threads = 1, bool accumulates = false, halves h = halves::together,
                               float start = 0) {
    const remat::thread_scope scope(threads);
    std::vector<floats> gradients;
    for (std::size_t i = 0; i < inputs.size(); ++i)
      gradients.emplace_back(has_gradient(i) ? inputs[i].size() : 0, accumulates ? start : NAN);
    for (const floats& p : parameters) gradients.emplace_back(p.size(), accumulates ? start : NAN);
    const remat::kernel_call c = made(accumulates, &gradients);
    const remat::backward_pass pass(c, random_);
    const remat::kernel_table& kernels = *module_.kernels;
    if (kernels.backward != nullptr && h == halves::together) {
      kernels.backward(pass);
      return gradients;
    }
    if (kernels.backward_parameters != nullptr) kernels.backward_parameters(pass);
    if (kernels.backward_input != nullptr) kernels.backward_input(pass);
    return gradients;
  }

 private:
  /// Neither integers nor the target of a loss have one.
  bool has_gradient(std::size_t i) const { return integers[i].empty() && !(module_.is_loss && i > 0); }

  static floats values(std::size_t size, std::size_t salt) {
    floats made(size);
    for (std::size_t i = 0; i < size; ++i) made[i] = number(i, salt);
    return made;
  }
  template <class T>
  static std::byte* bytes(std::vector<T>& v) {
    return v.empty() ? nullptr : reinterpret_cast<std::byte*>(v.data());
  }

  remat::kernel_call made(bool accumulates, std::vector<floats>* gradients) {
    remat::kernel_call c;
    c.kind = module_.kind;
    c.module_attributes = module_.attributes;
    c.state = state_.get();
    c.scratch = bytes(scratch_);
    c.batch = batch_;
    c.input_count = static_cast<int>(inputs.size());
    c.output_count = 1;
    c.accumulates_parameters = accumulates;
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      c.input_shapes[i] = &module_.inputs[i];
      c.inputs[i] = integers[i].empty() ? bytes(inputs[i]) : bytes(integers[i]);
      c.accumulates[i] = accumulates;
      if (gradients != nullptr) c.input_gradients[i] = bytes((*gradients)[i]);
    }
    c.output_shapes[0] = &module_.output;
    c.outputs[0] = bytes(outputs[0]);
    c.output_gradients[0] = bytes(output_gradient);
    for (std::size_t i = 0; i < module_.saved.size(); ++i) {
      c.saved_shapes[i] = &module_.saved[i];
      c.saved[i] = bytes(saved_values_[i]);
    }
    parameter_spans_.assign(parameters.begin(), parameters.end());
    c.parameters = parameter_spans_;
    state_spans_.assign(states.begin(), states.end());
    c.states = state_spans_;
    if (gradients != nullptr) {
      gradient_spans_.assign(gradients->begin() + static_cast<std::ptrdiff_t>(inputs.size()), gradients->end());
      c.parameter_gradients = gradient_spans_;
    }
    return c;
  }

  module_facts module_;
  std::size_t batch_;
  remat::random_stream random_{1, 0};
  std::unique_ptr<remat::prepared> state_;
  std::vector<double> scratch_;
  std::vector<floats> saved_values_;
  std::vector<std::span<float>> parameter_spans_, state_spans_, gradient_spans_;
};

template <class... T>
std::vector<remat::tensor_shape> shapes_of(remat::tensors<T...>) {
  return {remat::shape_of<T>::value...};
}

template <class M, class... Inputs>
module_facts facts_of() {
  using output = remat::output_of<M, Inputs...>;
  module_facts m{.kind = M::kind, .kernels = &remat::kernel_table_of<remat::detail::kernels_of<M>>};
  if constexpr (requires { M::attributes; }) m.attributes = &M::attributes;
  m.inputs = shapes_of(remat::tensors<Inputs...>{});
  m.output = remat::shape_of<output>::value;
  if constexpr (requires { M::saved_shape(Inputs{}...); })
    m.saved = shapes_of(typename remat::detail::as_tensors<decltype(M::saved_shape(Inputs{}...))>::type{});
  if constexpr (requires { M::parameters; }) m.parameters.assign(M::parameters.begin(), M::parameters.end());
  if constexpr (requires { M::states; }) m.states.assign(M::states.begin(), M::states.end());
  m.is_loss = std::is_same_v<output, remat::scalar<float>>;
  return m;
}

template <class M, class... Inputs>
struct kernel_run : module_run {
  explicit kernel_run(std::size_t batch, std::size_t rows = 1) : module_run(facts_of<M, Inputs...>(), batch, rows) {}
};
