// SPDX-License-Identifier: MIT
/// Runs a layer's kernels on guarded memory as an executor runs them, and compares all that they write with the naive
/// sums. Memory that nobody has written holds NaNs, or a pattern, whenever a kernel is called.
#pragma once

#include <remat/remat.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "calling.hpp"
#include "comparison.hpp"
#include "guarded_memory.hpp"
#include "layer_case.hpp"
#include "random_source.hpp"

namespace fuzz {

class trial {
 public:
  std::size_t calls = 0;     ///< of kernels
  double largest_ratio = 0;  ///< of an error to its bound

  trial(const layer_case& layer, const calling& how, random_source& random) : layer_(layer), how_(how) {
    for (const remat::tensor_shape& s : layer.inputs) {
      const bool is_float = s.type == remat::element::float32;
      values_.inputs.push_back(random.numbers(is_float ? s.elements(layer.batch) : 0));
      for (float& x : values_.inputs.back()) x *= layer.input_scale;
      values_.integers.emplace_back(is_float ? 0 : s.elements(layer.batch));
      for (std::int32_t& i : values_.integers.back())
        i = layer.ignores_some && &i != &values_.integers.back().front() && random.one_in(5)
                ? -100
                : static_cast<std::int32_t>(random.between(0, layer.integers_below - 1));
    }
    for (const std::size_t size : layer.parameters) {
      values_.parameters.push_back(random.numbers(size));
      gradients_before_.push_back(random.numbers(size));
    }
    for (const std::size_t size : layer.states) {
      values_.states.push_back(random.numbers(size));
      for (float& s : values_.states.back()) s = std::abs(s) + 0.1f;
    }
    values_.training = how.training;
    values_.output_gradient = random.numbers(layer.output.elements(layer.batch));
    operation_.kernels = layer.kernels;
    operation_.backward_input_reads = operation_.backward_parameters_reads =
        remat::reads::inputs | remat::reads::outputs;
    operation_.is.computes_samples_apart = layer.computes_samples_apart;
    for (std::size_t i = 0; i < layer.saved.size(); ++i) operation_.saved.push_back(static_cast<int>(i));
    x_ = layer.inputs;
    y_ = layer.output;
    y_.type = how.y;
    if (rounds()) round_factors();
    dx_before_ = random.numbers(layer.inputs[0].elements(layer.batch));
    prepare();
  }

  /// One step with all its memory next to guards; throws a `difference`.
  void run(guarded_memory& memory, placement where) {
    const remat::thread_scope scope(how_.threads);
    poison_ = where == placement::before_a_guard ? 0xff : 0xa5;
    memory.start(where);
    place(memory);
    for (std::size_t k = 0; state_ != nullptr && k < state_->packed.size(); ++k)
      run_pass(remat::passes::pack, [&](const remat::kernel_call& c) { layer_.kernels->pack(remat::pack_pass(c, k)); });
    forward();
    if (how_.backward_input || how_.backward_parameters) backward();
    check_unchanged();
    if (const char* const name = memory.overrun())
      throw difference(std::string("bytes next to ") + name + " were written");
  }

 private:
  bool rounds() const { return how_.factors == remat::element::bfloat16; }
  static void round(std::vector<float>& all) {
    for (float& x : all) x = static_cast<float>(remat::bfloat16(x));
  }

  /// The first input is of bfloat16, of products all that hold floats; their parameter is rounded by the kernel.
  void round_factors() {
    round(values_.output_gradient);
    for (std::size_t i = 0; i < (layer_.multiplies_bfloat16 ? x_.size() : 1); ++i) {
      if (x_[i].type != remat::element::float32) continue;
      x_[i].type = how_.factors;
      round(values_.inputs[i]);
    }
    if (!layer_.multiplies_bfloat16) return;
    values_.roundoff = bfloat16_roundoff;
    if (!values_.parameters.empty()) round(values_.parameters[0]);
  }

  void prepare() {
    const remat::thread_scope scope(how_.threads);
    remat::preparation p;
    p.module_attributes = layer_.attributes.get();
    p.inputs = x_;
    p.outputs = {&y_, 1};
    p.input_gradients = {&how_.dx, 1};
    p.output_gradients = {&how_.dy, 1};
    p.compute = how_.factors;
    p.batch = layer_.batch;
    p.training = how_.training;
    p.activation_after = how_.activation_after;
    p.backward_input = how_.backward_input;
    p.backward_parameters = how_.backward_parameters;
    p.accumulates_input = how_.accumulates_input;
    p.accumulates_parameters = how_.accumulates_parameters;
    if (how_.widens)
      state_ = std::make_unique<remat::widened_operation>(operation_, p);
    else if (layer_.kernels->prepare != nullptr)
      state_ = layer_.kernels->prepare(p);
  }

  template <class T>
  std::byte* placed(guarded_memory& memory, const char* name, const std::vector<T>& from) {
    if (from.empty()) return nullptr;
    std::byte* const to = memory.buffer(name, from.size() * sizeof(T), alignof(T));
    std::memcpy(to, from.data(), from.size() * sizeof(T));
    return to;
  }
  /// Numbers as a tensor of this type holds them.
  std::byte* placed(guarded_memory& memory, const char* name, const std::vector<float>& from, remat::element type) {
    if (type == remat::element::float32) return placed(memory, name, from);
    return placed(memory, name, std::vector<remat::bfloat16>(from.begin(), from.end()));
  }
  std::byte* poisoned(guarded_memory& memory, const char* name, std::size_t bytes, std::size_t alignment) {
    std::byte* const to = memory.buffer(name, bytes, alignment);
    std::memset(to, poison_, bytes);
    return to;
  }

  void place(guarded_memory& memory) {
    const std::size_t batch = layer_.batch;
    call_ = {};
    call_.kind = layer_.layer;
    call_.module_attributes = layer_.attributes.get();
    call_.state = state_.get();
    call_.batch = batch;
    call_.input_count = static_cast<int>(layer_.inputs.size());
    call_.output_count = 1;
    call_.activation_after = how_.activation_after;
    for (std::size_t i = 0; i < layer_.inputs.size(); ++i) {
      call_.input_shapes[i] = &x_[i];
      call_.inputs[i] = values_.integers[i].empty() ? placed(memory, "the input", values_.inputs[i], x_[i].type)
                                                    : placed(memory, "the integers", values_.integers[i]);
    }
    call_.output_shapes[0] = &y_;
    call_.input_gradient_types[0] = how_.dx;
    call_.output_gradient_types[0] = how_.dy;
    const std::size_t output_bytes = y_.bytes(batch), input_bytes = x_[0].elements(batch) * size_of(how_.dx);
    call_.outputs[0] = how_.in_place ? call_.inputs[0] : poisoned(memory, "the output", output_bytes, sizeof(float));
    for (std::size_t i = 0; i < layer_.saved.size(); ++i) {
      call_.saved_shapes[i] = &layer_.saved[i];
      if (!how_.training) continue;
      call_.saved[i] = poisoned(memory, "what is saved", layer_.saved[i].bytes(batch), sizeof(float));
    }
    spans_.clear();
    gradient_spans_.clear();
    for (std::size_t i = 0; i < layer_.parameters.size(); ++i) {
      const auto floats_at = [&](std::byte* at) {
        return std::span<float>{reinterpret_cast<float*>(at), layer_.parameters[i]};
      };
      spans_.push_back(floats_at(placed(memory, i == 0 ? "the weights" : "the bias", values_.parameters[i])));
      gradient_spans_.push_back(floats_at(placed(memory, i == 0 ? "dw" : "db", gradients_before_[i])));
      if (!how_.accumulates_parameters) std::ranges::fill(gradient_spans_.back(), NAN);
    }
    states_.clear();
    for (const std::vector<float>& s : values_.states)
      states_.push_back({reinterpret_cast<float*>(placed(memory, "a state", s)), s.size()});
    call_.states = states_;
    call_.parameters = spans_;
    call_.parameter_gradients = gradient_spans_;
    call_.accumulates_parameters = how_.accumulates_parameters;
    if (how_.backward_input || how_.backward_parameters) {
      call_.output_gradients[0] = placed(memory, "dy", values_.output_gradient, how_.dy);
      if (how_.backward_input) {
        call_.accumulates[0] = how_.accumulates_input;
        if (how_.in_place && !how_.accumulates_input)
          call_.input_gradients[0] = call_.output_gradients[0];
        else if (how_.accumulates_input)
          call_.input_gradients[0] = placed(memory, "dx", dx_before_);
        else
          call_.input_gradients[0] = poisoned(memory, "dx", input_bytes, sizeof(float));
      }
    }
    if (state_ == nullptr) return;
    for (std::size_t k = 0; k < state_->packed.size(); ++k)
      call_.packed[k] = poisoned(memory, "packed weights", state_->packed[k].bytes, remat::alignment);
    call_.scratch = poisoned(memory, "scratch", state_->scratch_of(), remat::alignment);
  }
  /// f(the call), with scratch that nobody has written, of which the pass may write what it needs.
  template <class F>
  void run_pass(remat::passes which, const F& f) {
    ++calls;
    if (state_ != nullptr) std::memset(call_.scratch, poison_, state_->scratch_of());
    remat::kernel_call c = call_;
    if (!which.overlap(remat::passes::backward_input | remat::passes::backward)) c.input_gradients[0] = nullptr;
    if (!how_.widens) {
      f(c);
    } else {
      const auto& widened = static_cast<const remat::widened_operation&>(*state_);
      which.overlap(remat::passes::pack) ? f(widened.packing(c)) : widened.run(c, which, f);
    }
    if (state_ == nullptr) return;
    const auto is_written = [this](std::byte b) { return b != std::byte(poison_); };
    if (std::any_of(call_.scratch + state_->scratch_of(which), call_.scratch + state_->scratch_of(), is_written))
      throw difference("scratch of another pass was written");
  }

  void forward() {
    run_pass(remat::passes::forward, [&](const remat::kernel_call& c) {
      layer_.kernels->forward(remat::forward_pass(c, how_.training, remat::random_stream(1, 0)));
    });
    const std::vector<float> y = floats_of(call_.outputs[0], layer_.output.elements(layer_.batch), how_.y);
    if (expected_output_.empty()) {
      expected_output_ = layer_.forward(values_);
      for (expected& e : expected_output_) {
        activate(how_.activation_after, e);
        if (how_.y == remat::element::bfloat16) round_once(e);
      }
    }
    compare("y", y, expected_output_);
    if (values_.output.size() != y.size() || !std::ranges::equal(values_.output, y)) {
      values_.output.assign(y.begin(), y.end());
      expected_dx_.clear();
    }
    // Backward is handed what forward was, also where forward worked in place.
    if (how_.in_place && layer_.input_gradient != nullptr) {
      inputs_again_ = values_.inputs[0];
      call_.inputs[0] = reinterpret_cast<std::byte*>(inputs_again_.data());
    }
  }

  void backward() {
    const auto run_half = [&](remat::passes which, void (*half)(const remat::backward_pass&)) {
      run_pass(which, [&](const remat::kernel_call& c) { half(remat::backward_pass(c, remat::random_stream(1, 0))); });
    };
    if (how_.backward_input && how_.backward_parameters && how_.together && layer_.kernels->backward != nullptr) {
      run_half(remat::passes::backward, layer_.kernels->backward);
    } else {
      if (how_.backward_parameters) run_half(remat::passes::backward_parameters, layer_.kernels->backward_parameters);
      if (how_.backward_input) run_half(remat::passes::backward_input, layer_.kernels->backward_input);
    }
    if (how_.backward_input) {
      if (expected_dx_.empty()) {
        expected_dx_ = layer_.input_gradient(values_);
        if (how_.dx == remat::element::bfloat16) std::ranges::for_each(expected_dx_, round_once);
        if (how_.accumulates_input) add_before(expected_dx_, dx_before_);
      }
      compare("dx", floats_of(call_.input_gradients[0], expected_dx_.size(), how_.dx), expected_dx_);
    }
    if (!how_.backward_parameters) return;
    if (expected_gradients_.empty())
      for (std::size_t i = 0; i < layer_.parameters.size(); ++i) {
        expected_gradients_.push_back(layer_.parameter_gradient(values_, i));
        if (how_.accumulates_parameters) add_before(expected_gradients_.back(), gradients_before_[i]);
      }
    for (std::size_t i = 0; i < layer_.parameters.size(); ++i)
      compare(i == 0 ? "dw" : "db", gradient_spans_[i], expected_gradients_[i]);
  }

  static std::vector<float> floats_of(const std::byte* at, std::size_t size, remat::element type) {
    std::vector<float> found(size);
    for (std::size_t i = 0; i < size; ++i)
      found[i] = type == remat::element::float32 ? reinterpret_cast<const float*>(at)[i]
                                                 : static_cast<float>(reinterpret_cast<const remat::bfloat16*>(at)[i]);
    return found;
  }
  void compare(const char* name, std::span<const float> found, const expectation& wanted) {
    largest_ratio = std::max(largest_ratio, fuzz::compare(name, found, wanted));
  }

  void check_unchanged() const {
    const auto check = [](const char* name, const void* now, const auto& before) {
      if (now != nullptr && std::memcmp(now, before.data(), before.size() * sizeof(before[0])) != 0)
        throw difference(std::string(name) + " was written");
    };
    for (std::size_t i = 0; i < layer_.parameters.size(); ++i)
      check("a parameter", spans_[i].data(), values_.parameters[i]);
    if (how_.in_place) return;
    const auto check_floats = [&](const char* name, const std::byte* now, const std::vector<float>& before,
                                  remat::element type) {
      if (now != nullptr) check(name, floats_of(now, before.size(), type).data(), before);
    };
    for (std::size_t i = 0; i < layer_.inputs.size(); ++i)
      if (values_.integers[i].empty()) check_floats("the input", call_.inputs[i], values_.inputs[i], x_[i].type);
    check_floats("dy", call_.output_gradients[0], values_.output_gradient, how_.dy);
  }

  const layer_case& layer_;
  calling how_;
  std::vector<remat::tensor_shape> x_;  // of the types that they have here
  remat::tensor_shape y_;
  values values_;
  std::vector<float> dx_before_, inputs_again_;
  std::vector<std::vector<float>> gradients_before_;
  expectation expected_output_, expected_dx_;
  std::vector<expectation> expected_gradients_;
  remat::operation operation_;  // as much of it as widening asks for
  std::unique_ptr<remat::prepared> state_;
  remat::kernel_call call_;
  std::vector<std::span<float>> spans_, gradient_spans_, states_;
  int poison_ = 0xff;
};

}  // namespace fuzz
