// SPDX-License-Identifier: MIT
/// The parameters of one model, apart from any plan: every plan of a model works on the same ones.
///
/// Values and states may be shared with other models (shared_values.hpp). Gradients are the model's own: which
/// parameters have one, and in how many places, is a matter of its program. So gradients are those of the last step of
/// this model, and an optimizer or clipping that is given this model works on these, whatever other models on the same
/// values have done since. A model that only predicts on the parameters of another needs none: `.frozen = {""}`.
#pragma once

#include <remat/core/error.hpp>
#include <remat/core/kernel_call.hpp>
#include <remat/core/parallel.hpp>
#include <remat/model/program.hpp>
#include <remat/run/held_slots.hpp>
#include <remat/run/kept_gradients.hpp>
#include <remat/run/parameter_places.hpp>
#include <remat/run/parameter_view.hpp>
#include <remat/run/shared_values.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace remat {

/// The parameters and states of a program, or of the part of it that this process runs, in the order of the program.
///
/// A frozen parameter has an empty gradient. A shared one has one view, and a gradient for each of its places, which
/// `sum_shared` adds up.
class parameter_store {
 public:
  /// New values. Initial ones depend on the seed and each parameter's place in the program alone.
  parameter_store(const program& p, std::uint64_t seed) : parameter_store(p, seed, all_slots(p)) {}
  parameter_store(const program& p, std::uint64_t seed, const held_slots& held)
      : parameter_store(p, std::make_shared<shared_values>(p, seed, held), held) {}
  /// On values that another store may use, too. Throws `error` unless they are those of this program.
  parameter_store(const program& p, std::shared_ptr<shared_values> values)
      : parameter_store(p, std::move(values), all_slots(p)) {}
  parameter_store(const parameter_store&) = delete;  // executors know where it is
  parameter_store& operator=(const parameter_store&) = delete;

  /// What other models may share.
  const std::shared_ptr<shared_values>& shared() const { return values_; }
  /// A number that no other values of this process have or had: that of all models that share these.
  std::uint64_t identity() const { return values_->identity(); }
  std::span<const parameter_view> views() const { return places_.views(); }
  const parameter_view& at(std::string_view name) const {
    for (const parameter_view& view : views())
      if (view.name == name) return view;
    std::string known;
    for (const parameter_view& view : views()) known += (known.empty() ? "" : ", ") + view.name;
    throw error("no parameter is named '" + std::string(name) + "'; this model has " + known);
  }
  std::span<const state_view> state_views() const { return places_.state_views(); }
  /// The slot of the program that owns each of `views()`, and each of `state_views()`.
  std::span<const std::size_t> slots() const { return places_.slots(); }
  std::span<const std::size_t> state_slots() const { return places_.state_slots(); }
  /// The parameters, their gradients, or the states of the slots of one operation.
  value_spans values(int first, int count) const { return places_.values(first, count); }
  value_spans gradients(int first, int count) const { return gradients_.spans(first, count); }
  value_spans states(int first, int count) const { return places_.states(first, count); }
  /// The gradient of one slot; empty while the block of gradients has no memory.
  std::span<float> gradient(int slot) const { return gradients_.spans(slot, 1)[0]; }

  /// Adds the gradients of the later places of shared parameters to that of the first, in the order of the program.
  /// Those that another process shares, too, are left to who talks to it.
  void sum_shared() {
    for (const parameter_places::later_place& each : places_.later_places()) {
      float* const sum = gradients_.at(each.first).data();
      const std::span<const float> more = gradients_.at(each.slot);
      elementwise(more.size(), [=, from = more.data()](std::size_t i) { sum[i] += from[i]; });
    }
  }

  /// Those that outlive a step.
  kept_gradients& gradient_memory() { return gradients_; }
  const kept_gradients& gradient_memory() const { return gradients_; }
  /// Which of `views()` the parameter is that a slot of the program has, and that owns it.
  std::size_t view_of(int slot) const { return places_.view_of(slot); }

  /// Takes memory where there is none yet.
  std::span<std::byte> gradient_block() { return gradients_.bytes(); }
  std::span<std::byte> value_block() { return values_->parameter_block(); }
  std::span<std::byte> state_block() { return values_->state_block(); }
  /// Of states, and of their values before a step.
  std::size_t state_bytes() const { return values_->state_block().size() + states_before_.size(); }

  /// Gradients are now those of no batch: a step has begun, or was refused.
  void drop_gradients() { gradients_.drop(); }
  /// Runs what makes gradients; where it throws, they are those of no batch.
  template <class Step>
  void making_gradients(const Step& step) {
    begin_gradients();
    step();
    gradients_.accept();
  }
  /// The same, of a step that updates the parameters and leaves none.
  template <class Step>
  void using_up_gradients(const Step& step) {
    begin_gradients();
    step();
    gradients_.use_up();
  }
  void accept_gradients() { gradients_.accept(); }
  /// Throws `error` where they are those of no batch.
  void require_gradients() const { gradients_.require(); }

  /// Runs a step, and gives states back the values that they had where it throws.
  template <class Step>
  void keeping_states(const Step& step) {
    states_before_.assign(state_block().begin(), state_block().end());
    try {
      step();
    } catch (...) {
      restore_states();
      throw;
    }
  }
  /// Gives them the values before the last such step.
  void restore_states() { std::ranges::copy(states_before_, state_block().begin()); }

 private:
  void begin_gradients() {
    gradients_.drop();
    if (gradients_.held_bytes() == 0) return;  // there is no block, or it will begin with zeros
    for (const std::size_t slot : places_.first_unreached())
      std::ranges::fill(gradient(static_cast<int>(slot)), 0.0f);
  }

  parameter_store(const program& p, std::shared_ptr<shared_values> values, const held_slots& held)
      : parameter_store(p, std::move(values), held, trained_slots(p)) {}
  parameter_store(const program& p, std::shared_ptr<shared_values> values, const held_slots& held,
                  const std::vector<bool>& trained)
      : values_(std::move(values)),
        gradients_(p.parameters, [&](std::size_t i) { return held.parameters[i] && trained[i]; }),
        places_(p, *values_, gradients_, held, trained) {}

  std::shared_ptr<shared_values> values_;
  kept_gradients gradients_;
  parameter_places places_;
  std::vector<std::byte> states_before_;
};

}  // namespace remat
