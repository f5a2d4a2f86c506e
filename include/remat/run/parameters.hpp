// SPDX-License-Identifier: MIT
/// The parameters of one model, apart from any plan: every plan of a model works on the same ones.
///
/// Values and states may be shared with other models (shared_values.hpp). Gradients are the model's own: which
/// parameters have one, and in how many places, is a matter of its program. So gradients are those of the last step of
/// this model, and an optimizer or clipping that is given this model works on these, whatever other models on the same
/// values have done since. A model that only predicts on the parameters of another needs none: `.frozen = {""}`.
#pragma once

#include <remat/core/error.hpp>
#include <remat/core/parallel.hpp>
#include <remat/model/program.hpp>
#include <remat/run/held_slots.hpp>
#include <remat/run/kept_gradients.hpp>
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
  std::span<const parameter_view> views() const { return views_; }
  const parameter_view& at(std::string_view name) const {
    for (const parameter_view& view : views_)
      if (view.name == name) return view;
    std::string known;
    for (const parameter_view& view : views_) known += (known.empty() ? "" : ", ") + view.name;
    throw error("no parameter is named '" + std::string(name) + "'; this model has " + known);
  }
  std::span<const state_view> state_views() const { return state_views_; }
  /// The slot of the program that owns each of `views()`, and each of `state_views()`.
  std::span<const std::size_t> slots() const { return slots_; }
  std::span<const std::size_t> state_slots() const { return state_slots_; }
  /// Where an operation's parameters, their gradients, or its states begin.
  std::span<float>* values(int first) { return value_spans_.data() + first; }
  std::span<float>* gradients(int first) { return gradients_.spans(first); }
  std::span<float>* states(int first) { return state_spans_.data() + first; }

  /// Adds the gradients of the later places of shared parameters to that of the first, in the order of the program.
  /// Those that another process shares, too, are left to who talks to it.
  void sum_shared() {
    for (const place& each : places_) {
      float* const sum = gradients_.at(each.owner).data();
      const std::span<const float> more = gradients_.at(each.slot);
      elementwise(more.size(), [=, from = more.data()](std::size_t i) { sum[i] += from[i]; });
    }
  }

  /// Those that outlive a step.
  kept_gradients& gradient_memory() { return gradients_; }
  const kept_gradients& gradient_memory() const { return gradients_; }
  /// Which of `views()` the parameter is that a slot of the program has, and that owns it.
  std::size_t view_of(int slot) const { return view_of_slot_[static_cast<std::size_t>(slot)]; }

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
    gradients_.drop();
    step();
    gradients_.accept();
  }
  /// The same, of a step that updates the parameters and leaves none.
  template <class Step>
  void using_up_gradients(const Step& step) {
    gradients_.drop();
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
  /// A later place of a shared parameter.
  struct place {
    std::size_t owner, slot;
  };

  parameter_store(const program& p, std::shared_ptr<shared_values> values, const held_slots& held)
      : parameter_store(p, std::move(values), held, trained_slots(p)) {}
  parameter_store(const program& p, std::shared_ptr<shared_values> values, const held_slots& held,
                  const std::vector<bool>& trained)
      : values_(std::move(values)),
        gradients_(p.parameters, [&](std::size_t i) { return held.parameters[i] && trained[i]; }),
        value_spans_(p.parameters.size()),
        state_spans_(p.states.size()),
        view_of_slot_(p.parameters.size()) {
    const std::vector<std::size_t> first = detail::first_places(p.parameters, held.parameters);
    detail::value_matching parameters("parameter", values_->parameters());
    for (std::size_t i = 0; i < p.parameters.size(); ++i) {
      if (!held.parameters[i]) continue;
      const parameter_slot& owner = p.parameters[p.parameters[i].owner];
      if (first[i] != i) {
        value_spans_[i] = value_spans_[first[i]];
        if (trained[i] && is_whole(p.parameters, owner, held.parameters)) places_.push_back({first[i], i});
        continue;
      }
      const state_view& found = values_->parameters()[parameters.find(parameter_path(p, owner), shape_of_slot(owner))];
      value_spans_[i] = found.values;
      view_of_slot_[static_cast<std::size_t>(owner.owner)] = views_.size();
      views_.push_back({found.name, found.shape, found.values, parameter_gradient(gradients_, i)});
      slots_.push_back(static_cast<std::size_t>(owner.owner));
    }
    parameters.require_all();

    const std::vector<std::size_t> first_state = detail::first_places(p.states, held.states);
    detail::value_matching states("state", values_->states());
    for (std::size_t i = 0; i < p.states.size(); ++i) {
      if (!held.states[i]) continue;
      if (first_state[i] != i) {
        state_spans_[i] = state_spans_[first_state[i]];
        continue;
      }
      const parameter_slot& owner = p.states[p.states[i].owner];
      state_views_.push_back(values_->states()[states.find(parameter_path(p, owner), shape_of_slot(owner))]);
      state_spans_[i] = state_views_.back().values;
      state_slots_.push_back(static_cast<std::size_t>(owner.owner));
    }
    states.require_all();
  }

  /// Whether all places of a parameter are held.
  static bool is_whole(const list<parameter_slot>& slots, const parameter_slot& owner, const std::vector<bool>& held) {
    for (std::size_t i = 0; i < slots.size(); ++i)
      if (slots[i].owner == owner.owner && !held[i]) return false;
    return true;
  }
  static std::span<const std::size_t> shape_of_slot(const parameter_slot& slot) {
    return {slot.declared.extents, static_cast<std::size_t>(slot.declared.rank)};
  }

  std::shared_ptr<shared_values> values_;
  kept_gradients gradients_;
  std::vector<std::byte> states_before_;
  std::vector<std::span<float>> value_spans_, state_spans_;  // of each slot of the program
  std::vector<std::size_t> view_of_slot_;                    // of each owner
  std::vector<place> places_;
  std::vector<parameter_view> views_;
  std::vector<state_view> state_views_;
  std::vector<std::size_t> slots_, state_slots_;
};

}  // namespace remat
