// SPDX-License-Identifier: MIT
// The kernels of one module, run by themselves: forward, then backward, as an executor calls them.
#pragma once

#include <remat/remat.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <type_traits>
#include <vector>

using floats = std::vector<float>;

inline bool same_bits(const std::vector<floats>& a, const std::vector<floats>& b) {
  return std::ranges::equal(a, b, [](const floats& x, const floats& y) {
    return x.size() == y.size() && (x.empty() || std::memcmp(x.data(), y.data(), x.size() * sizeof(float)) == 0);
  });
}

/// Numbers between -2 and 2 without a pattern that a kernel could have.
inline float number(std::size_t i, std::size_t salt) {
  return 2 * std::sin(static_cast<float>((i * 7919 + salt * 104729) % 65521));
}

template <class M, class... Inputs>
class kernel_run {
  using kernels = remat::detail::kernels_of<M>;

 public:
  std::vector<floats> inputs, outputs, parameters, states;
  floats output_gradient;
  std::vector<std::vector<std::int32_t>> integers;  // one for each input; empty where it holds floats

  /// Inputs, parameters and the gradient of the output have values; an input of integers holds 0 to `rows` - 1.
  explicit kernel_run(std::size_t batch, std::size_t rows = 1) : batch_(batch) {
    std::size_t salt = 1;
    for (const remat::tensor_shape& s : in_) {
      inputs.push_back(values(s.elements(batch), salt++));
      integers.emplace_back();
      if (s.type == remat::element::int32)
        for (std::size_t i = 0; i < inputs.back().size(); ++i)
          integers.back().push_back(static_cast<std::int32_t>(i * 31 % rows));
    }
    if constexpr (requires { M::parameters; })
      for (const remat::parameter& p : M::parameters) parameters.push_back(values(p.elements(), salt++));
    if constexpr (requires { M::states; })
      for (const remat::parameter& s : M::states)
        s.start.fill(states.emplace_back(s.elements()), remat::random_stream(1, 1));
    for (const remat::tensor_shape& s : saved_) saved_values_.emplace_back(s.elements(batch));
    outputs.emplace_back(out_.elements(batch));
    output_gradient = values(out_.elements(batch), salt);
  }

  /// Primitives for this number of threads, and the forward pass.
  void forward(int threads = 1, bool accumulates = false) {
    const remat::thread_scope scope(threads);
    remat::preparation p;
    if constexpr (requires { M::attributes; }) p.module_attributes = &M::attributes;
    p.inputs = in_;
    p.outputs = {&out_, 1};
    p.batch = batch_;
    p.backward_input = p.backward_parameters = true;
    p.accumulates_input = p.accumulates_parameters = accumulates;
    if constexpr (requires { &kernels::prepare; }) state_ = kernels::prepare(p);
    scratch_.assign(state_ ? state_->scratch_of() / sizeof(double) + 8 : 0, std::nan(""));
    const remat::kernel_call c = made(accumulates, nullptr);
    kernels::forward(remat::forward_pass(c, true, random_));
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
    if constexpr (requires { &kernels::backward; })
      if (h == halves::together) {
        kernels::backward(pass);
        return gradients;
      }
    if constexpr (requires { &kernels::backward_parameters; }) kernels::backward_parameters(pass);
    if constexpr (requires { &kernels::backward_input; }) kernels::backward_input(pass);
    return gradients;
  }

 private:
  /// Neither integers nor the target of a loss have one.
  bool has_gradient(std::size_t i) const { return integers[i].empty() && !(is_loss && i > 0); }

  static floats values(std::size_t size, std::size_t salt) {
    floats made(size);
    for (std::size_t i = 0; i < size; ++i) made[i] = number(i, salt);
    return made;
  }
  static auto shapes_of_saved() {
    if constexpr (requires { M::saved_shape(Inputs{}...); })
      return [](auto tag) {
        return []<class... T>(remat::tensors<T...>) { return std::vector{remat::shape_of<T>::value...}; }(tag);
      }(typename remat::detail::as_tensors<decltype(M::saved_shape(Inputs{}...))>::type{});
    else
      return std::vector<remat::tensor_shape>{};
  }
  template <class T>
  static std::byte* bytes(std::vector<T>& v) {
    return v.empty() ? nullptr : reinterpret_cast<std::byte*>(v.data());
  }

  remat::kernel_call made(bool accumulates, std::vector<floats>* gradients) {
    remat::kernel_call c;
    c.kind = M::kind;
    if constexpr (requires { M::attributes; }) c.module_attributes = &M::attributes;
    c.state = state_.get();
    c.scratch = bytes(scratch_);
    c.batch = batch_;
    c.input_count = static_cast<int>(inputs.size());
    c.output_count = 1;
    c.accumulates_parameters = accumulates;
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      c.input_shapes[i] = &in_[i];
      c.inputs[i] = integers[i].empty() ? bytes(inputs[i]) : bytes(integers[i]);
      c.accumulates[i] = accumulates;
      if (gradients != nullptr) c.input_gradients[i] = bytes((*gradients)[i]);
    }
    c.output_shapes[0] = &out_;
    c.outputs[0] = bytes(outputs[0]);
    c.output_gradients[0] = bytes(output_gradient);
    for (std::size_t i = 0; i < saved_.size(); ++i) {
      c.saved_shapes[i] = &saved_[i];
      c.saved[i] = bytes(saved_values_[i]);
    }
    parameter_spans_.assign(parameters.begin(), parameters.end());
    c.parameters = parameter_spans_.data();
    state_spans_.assign(states.begin(), states.end());
    c.states = state_spans_.data();
    if (gradients != nullptr) {
      gradient_spans_.assign(gradients->begin() + static_cast<std::ptrdiff_t>(inputs.size()), gradients->end());
      c.parameter_gradients = gradient_spans_.data();
    }
    return c;
  }

  static constexpr bool is_loss = std::is_same_v<remat::output_of<M, Inputs...>, remat::scalar<float>>;
  static constexpr std::array<remat::tensor_shape, sizeof...(Inputs)> in_{remat::shape_of<Inputs>::value...};
  static constexpr remat::tensor_shape out_ = remat::shape_of<remat::output_of<M, Inputs...>>::value;
  const std::vector<remat::tensor_shape> saved_ = shapes_of_saved();
  std::size_t batch_;
  remat::random_stream random_{1, 0};
  std::unique_ptr<remat::prepared> state_;
  std::vector<double> scratch_;
  std::vector<floats> saved_values_;
  std::vector<std::span<float>> parameter_spans_, state_spans_, gradient_spans_;
};
