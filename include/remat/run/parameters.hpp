// SPDX-License-Identifier: MIT
/// The parameters of a model and their gradients, apart from any plan: every plan of a model works on the same ones.
#pragma once

#include <remat/core/alignment.hpp>
#include <remat/core/error.hpp>
#include <remat/core/parallel.hpp>
#include <remat/model/program.hpp>
#include <remat/run/memory_block.hpp>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace remat {

/// One parameter: values and gradient are row-major in PyTorch's layout.
struct parameter_view {
  std::string name;  ///< its path: "conv1.weight"
  std::vector<std::size_t> shape;
  std::span<float> values, gradient;
};

/// What a module remembers and nobody trains: a running mean.
struct state_view {
  std::string name;  ///< its path
  std::vector<std::size_t> shape;
  std::span<float> values;
};

/// The parameters of a program, a shared one once, by name and shape alone.
inline std::vector<parameter_view> named_parameters(const program& p) {
  std::vector<parameter_view> all;
  for (int i = 0; i < p.parameters.count(); ++i) {
    const parameter& declared = p.parameters[i].declared;
    if (p.parameters[i].owner == i)
      all.push_back({parameter_path(p, p.parameters[i]), {declared.extents, declared.extents + declared.rank}, {}, {}});
  }
  return all;
}

/// Which parameters and states of a program a process holds: those of some of its operations.
struct held_slots {
  std::vector<bool> parameters, states;
};
template <class IsHeld>
held_slots slots_of_operations(const program& p, const IsHeld& is_held) {
  held_slots held{std::vector<bool>(p.parameters.size()), std::vector<bool>(p.states.size())};
  for (const operation& o : p.operations) {
    if (!is_held(o)) continue;
    for (int k = 0; k < o.parameters; ++k) held.parameters[static_cast<std::size_t>(o.first_parameter + k)] = true;
    for (int k = 0; k < o.states; ++k) held.states[static_cast<std::size_t>(o.first_state + k)] = true;
  }
  return held;
}

/// The parameters and states of a program, or of the part of it that this process runs, in the order of the program.
/// Values, gradients and states are a block of memory each.
///
/// A frozen parameter has an empty gradient. A shared one has one view, and a gradient for each of its places, which
/// `sum_shared` adds up.
class parameter_store {
 public:
  /// Initial values depend on the seed and each parameter's place in the program alone.
  parameter_store(const program& p, std::uint64_t seed)
      : parameter_store(p, seed, slots_of_operations(p, [](const operation&) { return true; })) {}
  parameter_store(const program& p, std::uint64_t seed, const held_slots& held) {
    const std::vector<bool> trained = trained_slots(p);
    const std::vector<std::size_t> first = first_places(p.parameters, held.parameters);
    const std::vector<std::size_t> first_state = first_places(p.states, held.states);
    const auto is_trained = [&](std::size_t i) { return held.parameters[i] && trained[i]; };
    values_ = carve(value_spans_, p.parameters, [&](std::size_t i) { return first[i] == i; });
    gradients_ = carve(gradient_spans_, p.parameters, is_trained);
    states_ = carve(state_spans_, p.states, [&](std::size_t i) { return first_state[i] == i; });
    for (std::size_t i = 0; i < p.parameters.size(); ++i) {
      if (!held.parameters[i]) continue;
      const parameter_slot& owner = p.parameters[p.parameters[i].owner];
      if (first[i] != i) {
        value_spans_[i] = value_spans_[first[i]];
        if (trained[i] && is_whole(p.parameters, owner, held.parameters)) places_.push_back({first[i], i});
        continue;
      }
      views_.push_back({parameter_path(p, owner), shape_of_slot(owner), value_spans_[i], gradient_spans_[i]});
      slots_.push_back(static_cast<std::size_t>(owner.owner));
      owner.declared.start.fill(value_spans_[i],
                                random_stream(seed, initial_values, static_cast<std::uint32_t>(owner.owner)));
    }
    for (std::size_t i = 0; i < p.states.size(); ++i) {
      if (!held.states[i]) continue;
      if (first_state[i] != i) {
        state_spans_[i] = state_spans_[first_state[i]];
        continue;
      }
      const parameter_slot& owner = p.states[p.states[i].owner];
      state_views_.push_back({parameter_path(p, owner), shape_of_slot(owner), state_spans_[i]});
      state_slots_.push_back(static_cast<std::size_t>(owner.owner));
      owner.declared.start.fill(state_spans_[i],
                                random_stream(seed, initial_states, static_cast<std::uint32_t>(owner.owner)));
    }
  }

  /// A number that no other store of this process has or had.
  std::uint64_t identity() const { return identity_; }
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
  std::span<float>* gradients(int first) { return gradient_spans_.data() + first; }
  std::span<float>* states(int first) { return state_spans_.data() + first; }

  /// Adds the gradients of the later places of shared parameters to that of the first, in the order of the program.
  /// Those that another process shares, too, are left to who talks to it.
  void sum_shared() {
    for (const place& each : places_) {
      float* const sum = gradient_spans_[each.owner].data();
      const float* const more = gradient_spans_[each.slot].data();
      elementwise(gradient_spans_[each.slot].size(), [=](std::size_t i) { sum[i] += more[i]; });
    }
  }

  std::size_t optimizer_bytes = 0;  ///< what optimizers hold for these parameters, for reports

  std::span<std::byte> gradient_block() { return gradients_.bytes(); }
  std::span<std::byte> value_block() { return values_.bytes(); }
  std::span<std::byte> state_block() { return states_.bytes(); }
  /// Of states, and of their values before a step.
  std::size_t state_bytes() const { return states_.bytes().size() + states_before_.size(); }

  /// Runs what makes gradients; where it throws, they are those of no batch.
  template <class Step>
  void making_gradients(const Step& step) {
    has_gradients_ = false;
    step();
    has_gradients_ = true;
  }
  /// Throws `error` where they are those of no batch.
  void require_gradients() const {
    if (!has_gradients_)
      throw error("the last step was refused and has left no gradients; make them with train_step (or backward) first");
  }

  /// Runs a step, and gives states back the values that they had where it throws.
  template <class Step>
  void keeping_states(const Step& step) {
    states_before_.assign(states_.bytes().begin(), states_.bytes().end());
    try {
      step();
    } catch (...) {
      restore_states();
      throw;
    }
  }
  /// Gives them the values before the last such step.
  void restore_states() { std::ranges::copy(states_before_, states_.bytes().begin()); }

 private:
  bool has_gradients_ = true;  // zeros at first

  /// A later place of a shared parameter.
  struct place {
    std::size_t owner, slot;
  };

  // Names of the random streams of initial values.
  static constexpr std::uint32_t initial_values = 0x696e6974, initial_states = 0x73746174;

  /// A parameter is frozen in all of its places where it is in one.
  static std::vector<bool> trained_slots(const program& p) {
    std::vector<bool> trained(p.parameters.size(), true);
    for (const operation& o : p.operations)
      for (int k = 0; k < o.parameters; ++k)
        if (o.frozen) trained[static_cast<std::size_t>(p.parameters[o.first_parameter + k].owner)] = false;
    for (int i = 0; i < p.parameters.count(); ++i)
      trained[static_cast<std::size_t>(i)] = trained[static_cast<std::size_t>(p.parameters[i].owner)];
    return trained;
  }

  /// For each slot, the first one of those held that has the same owner.
  static std::vector<std::size_t> first_places(const list<parameter_slot>& slots, const std::vector<bool>& held) {
    std::vector<std::size_t> first(slots.size(), slots.size()), of_owner(slots.size(), slots.size());
    for (std::size_t i = 0; i < slots.size(); ++i) {
      if (!held[i]) continue;
      std::size_t& mine = of_owner[static_cast<std::size_t>(slots[i].owner)];
      if (mine == slots.size()) mine = i;
      first[i] = mine;
    }
    return first;
  }
  /// Whether all places of a parameter are held.
  static bool is_whole(const list<parameter_slot>& slots, const parameter_slot& owner, const std::vector<bool>& held) {
    for (std::size_t i = 0; i < slots.size(); ++i)
      if (slots[i].owner == owner.owner && !held[i]) return false;
    return true;
  }

  /// A block with room for the wanted slots; the spans of the others are empty.
  template <class Wanted>
  static memory_block carve(std::vector<std::span<float>>& spans, const list<parameter_slot>& slots,
                            const Wanted& wanted) {
    std::size_t bytes = 0;
    for (std::size_t i = 0; i < slots.size(); ++i)
      if (wanted(i)) bytes += aligned(slots[i].declared.elements() * sizeof(float));
    memory_block block(bytes);
    std::byte* next = block.data();
    for (std::size_t i = 0; i < slots.size(); ++i) {
      spans.emplace_back();
      if (!wanted(i)) continue;
      spans.back() = {reinterpret_cast<float*>(next), slots[i].declared.elements()};
      next += aligned(spans.back().size_bytes());
    }
    return block;
  }
  static std::uint64_t next_identity() {
    static std::atomic<std::uint64_t> last = 0;
    return ++last;
  }
  static std::vector<std::size_t> shape_of_slot(const parameter_slot& slot) {
    return {slot.declared.extents, slot.declared.extents + slot.declared.rank};
  }

  std::uint64_t identity_ = next_identity();
  memory_block values_, gradients_, states_;
  std::vector<std::byte> states_before_;
  std::vector<std::span<float>> value_spans_, gradient_spans_, state_spans_;
  std::vector<place> places_;
  std::vector<parameter_view> views_;
  std::vector<state_view> state_views_;
  std::vector<std::size_t> slots_, state_slots_;
};

}  // namespace remat
