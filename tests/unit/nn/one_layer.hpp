// SPDX-License-Identifier: MIT
/// One layer on a batch of made-up numbers, without a model: its kernels, called as an executor calls them.
#pragma once

#include "same_bits.hpp"

#include <remat/remat.hpp>

#include <array>
#include <cstddef>
#include <memory>
#include <span>
#include <utility>
#include <vector>

/// Numbers in [-1, 1) that repeat late.
inline std::vector<float> made_up(std::size_t size, std::size_t start) {
  std::vector<float> values(size);
  for (std::size_t i = 0; i < size; ++i) {
    const auto mixed = static_cast<std::uint32_t>((i + start * 7919) * 2654435761u);
    values[i] = static_cast<float>(mixed >> 8) / 8388608.0f - 1;
  }
  return values;
}

class layer_run {
 public:
  std::vector<float> x, y, dy, dx;
  std::vector<std::vector<float>> parameters, gradients, states;

  layer_run(remat::program of_one_layer, std::size_t batch, remat::activation after, bool training, bool adds)
      : program_(std::move(of_one_layer)), training_(training) {
    const remat::operation& o = program_.operations[0];
    in_ = program_.tensors[o.inputs[0]];
    out_ = program_.tensors[o.outputs[0]];
    x = made_up(in_.elements(batch), 1);
    dy = made_up(out_.elements(batch), 2);
    y.resize(dy.size());
    dx = made_up(x.size(), 3);
    for (const auto& slot : program_.parameters)
      parameters.push_back(made_up(slot.declared.elements(), parameters.size() + 4));
    for (const auto& slot : program_.states) {
      states.emplace_back(slot.declared.elements());
      slot.declared.start.fill(states.back(), remat::random_stream(1, 0));
    }
    gradients = parameters;
    remat::preparation p;
    p.module_attributes = call_.module_attributes = o.attributes;
    p.inputs = {&in_, 1};
    p.outputs = {&out_, 1};
    p.batch = call_.batch = batch;
    p.training = training;
    p.activation_after = call_.activation_after = after;
    p.backward_input = p.backward_parameters = training;
    p.accumulates_input = p.accumulates_parameters = call_.accumulates[0] = call_.accumulates_parameters = adds;
    kernels_ = o.kernels;
    if (kernels_->prepare != nullptr) state_ = kernels_->prepare(p);
    call_.kind = o.kind;
    call_.state = state_.get();
    call_.input_count = call_.output_count = 1;
    call_.input_shapes[0] = &in_;
    call_.output_shapes[0] = &out_;
    if (state_) {
      scratch_.resize(state_->scratch_of() + remat::alignment);
      for (const remat::packed_copy& each : state_->packed) packed_.emplace_back(each.bytes + remat::alignment);
    }
    for (int k = 0; training && k < o.saved.size; ++k) {
      const remat::tensor_shape& shape = program_.tensors[o.saved[k]];
      saved_.emplace_back(shape.bytes(batch));
      call_.saved_shapes[k] = &shape;
    }
  }

  layer_run(const layer_run&) = delete;  // calls point into it
  layer_run& operator=(const layer_run&) = delete;

  const remat::prepared& state() const { return *state_; }
  std::span<const float> saved(std::size_t k) const {
    return {reinterpret_cast<const float*>(saved_[k].data()), saved_[k].size() / sizeof(float)};
  }

  void forward(int threads = 1) {
    const remat::thread_scope scope(threads);
    point();
    for (std::size_t k = 0; k < packed_.size(); ++k) kernels_->pack(remat::pack_pass(call_, k));
    kernels_->forward(remat::forward_pass(call_, training_, remat::random_stream(1, 0)));
  }
  void update_state() {
    point();
    kernels_->update_state(remat::update_pass(call_));
  }
  /// Both halves: at once where the layer can, or one after the other.
  void backward(int threads = 1, bool at_once = true) {
    const remat::thread_scope scope(threads);
    point();
    const remat::backward_pass pass(call_, remat::random_stream(1, 0));
    if (at_once && kernels_->backward != nullptr) return kernels_->backward(pass);
    if (kernels_->backward_parameters != nullptr) kernels_->backward_parameters(pass);
    kernels_->backward_input(pass);
  }

 private:
  static std::byte* aligned(std::vector<std::byte>& bytes) {
    const auto at = reinterpret_cast<std::uintptr_t>(bytes.data());
    return bytes.data() + (remat::aligned(at) - at);
  }
  static std::byte* bytes(std::vector<float>& values) { return reinterpret_cast<std::byte*>(values.data()); }

  void point() {
    call_.inputs[0] = bytes(x);
    call_.outputs[0] = bytes(y);
    call_.input_gradients[0] = bytes(dx);
    call_.output_gradients[0] = bytes(dy);
    call_.scratch = aligned(scratch_);
    for (std::size_t k = 0; k < packed_.size(); ++k) call_.packed[k] = aligned(packed_[k]);
    for (std::size_t k = 0; k < saved_.size(); ++k) call_.saved[k] = saved_[k].data();
    spans_[0].assign(parameters.begin(), parameters.end());
    spans_[1].assign(gradients.begin(), gradients.end());
    spans_[2].assign(states.begin(), states.end());
    call_.parameters = spans_[0];
    call_.parameter_gradients = spans_[1];
    call_.states = spans_[2];
  }

  remat::program program_;
  bool training_;
  remat::tensor_shape in_, out_;
  const remat::kernel_table* kernels_ = nullptr;
  std::unique_ptr<remat::prepared> state_;
  remat::kernel_call call_;
  std::vector<std::byte> scratch_;
  std::vector<std::vector<std::byte>> packed_, saved_;
  std::vector<std::span<float>> spans_[3];
};

template <class M, class Input>
struct one_layer : layer_run {
  explicit one_layer(std::size_t batch, remat::activation after = remat::activation::none, bool training = true,
                     bool adds = false)
      : layer_run(remat::lower<remat::sequential<M>, Input>(), batch, after, training, adds) {}
};
