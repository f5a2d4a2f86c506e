// SPDX-License-Identifier: MIT
/// What the last call of a network gave: the outputs of a forward pass, or the gradients of inputs of a step.
#pragma once

#include <remat/core/error.hpp>
#include <remat/core/kernel_call.hpp>
#include <remat/model/program.hpp>
#include <remat/plan/backward_needs.hpp>
#include <remat/run/result.hpp>

#include <array>
#include <cstddef>
#include <span>
#include <string>

namespace remat {

class network_results {
 public:
  /// A forward pass of these is about to run.
  void begin_outputs(const program& p, std::size_t batch, std::span<const tensor_source> given) {
    begin(given);
    for (int t : p.outputs) made_.expect(p.tensors[t], batch);
  }
  /// A step of these is about to run: it gives its losses, each to its place, and then the gradients of those inputs
  /// that have one.
  void begin_step(const program& p, std::size_t batch, std::span<float> losses, std::span<const tensor_source> given) {
    begin(given);
    for (float& loss : losses) made_.expect_raw(std::as_writable_bytes(std::span(&loss, 1)));
    inputs_ = p.inputs - p.targets;
    int made = static_cast<int>(losses.size());
    for (int t = 0; t < inputs_; ++t) {
      const bool is_made = detail::has_gradient(p, t);
      if (is_made) made_.expect(p.tensors[t], batch);
      gradient_at_[static_cast<std::size_t>(t)] = is_made ? made++ : core::none;
    }
  }
  /// What those of a step take.
  static std::size_t bytes_of_step(const program& p, std::size_t batch) {
    std::size_t sum = 0;
    const auto add = [&](const tensor_shape& shape) {
      sum += shape.elements(batch) * sizeof(float) * (shape.is_in_order() ? 1 : 2);
    };
    for (int t = 0; t < p.inputs - p.targets; ++t)
      if (detail::has_gradient(p, t)) add(p.tensors[t]);
    if (p.loss == core::none)  // those of the forward pass, which may use the same memory
      for (const int t : p.outputs) add(p.tensors[t]);
    return sum;
  }
  /// Before a call of these: forgets the last ones where they take more.
  void shrink_to(std::size_t most, std::span<const tensor_source> given) {
    if (bytes() <= most) return;
    made_.begin_anew(given);
    forget();
  }
  /// Where it writes them.
  std::span<const std::span<std::byte>> places() const { return made_.views(); }

  /// A forward pass has run.
  void finish_outputs() {
    made_.finish();
    has_outputs_ = true;
  }
  /// A step has run, which gave this many losses.
  void finish_step() {
    made_.finish();
    has_gradients_ = true;
  }

  std::span<const float> output(std::size_t i) const {
    if (!has_outputs_) throw error("there is no output: no forward pass has run since the last step or failed call");
    return made_.at(i);
  }
  std::span<const float> input_gradient(std::size_t i) const {
    if (!has_gradients_)
      throw error("no step has run since the last forward pass or failed call; an input has a gradient after a step");
    if (i >= static_cast<std::size_t>(inputs_))
      throw error("there is no input " + std::to_string(i) + "; inputs are counted from 0");
    if (gradient_at_[i] == core::none)
      throw error("input " + std::to_string(i) + " holds integers, and has no gradient");
    return made_.at(static_cast<std::size_t>(gradient_at_[i]));
  }

  std::size_t bytes() const { return made_.bytes(); }

 private:
  /// Until the call that begins has succeeded there are no results: the places of the last ones are its own.
  void begin(std::span<const tensor_source> given) {
    made_.begin(given);
    forget();
  }
  void forget() { has_outputs_ = has_gradients_ = false; }

  results made_;
  bool has_outputs_ = false, has_gradients_ = false;
  int inputs_ = 0;                                              // of the program, without its targets
  std::array<int, kernel_call::max_tensors> gradient_at_ = {};  // among what is made, of each input that has one
};

}  // namespace remat
