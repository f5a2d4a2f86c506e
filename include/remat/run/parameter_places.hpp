// SPDX-License-Identifier: MIT
/// Where the operations of a program find their parameters and states among values that several models may share.
#pragma once

#include <remat/core/kernel_call.hpp>
#include <remat/model/program.hpp>
#include <remat/plan/backward_needs.hpp>
#include <remat/run/held_slots.hpp>
#include <remat/run/kept_gradients.hpp>
#include <remat/run/parameter_view.hpp>
#include <remat/run/shared_values.hpp>

#include <cstddef>
#include <span>
#include <vector>

namespace remat {

/// The parameters and states that this process holds of a program, in the program's order: each shared one once, at the
/// first of its places that is held.
class parameter_places {
 public:
  /// A later place of a shared parameter: its gradient is added to that of the first.
  struct later_place {
    std::size_t first, slot;
  };

  /// `trained`: for each parameter slot of the program, whether it has a gradient. Throws `error` unless `values` are
  /// those of this program.
  parameter_places(const program& p, shared_values& values, kept_gradients& gradients, const held_slots& held,
                   const std::vector<bool>& trained)
      : value_spans_(p.parameters.size()), state_spans_(p.states.size()), view_of_slot_(p.parameters.size()) {
    const std::vector<std::size_t> first = detail::first_places(p.parameters, held.parameters);
    detail::value_matching parameters("parameter", values.parameters());
    for (std::size_t i = 0; i < p.parameters.size(); ++i) {
      if (!held.parameters[i]) continue;
      const parameter_slot& owner = p.parameters[p.parameters[i].owner];
      if (first[i] != i) {
        value_spans_[i] = value_spans_[first[i]];
        if (trained[i] && is_whole(p.parameters, owner, held.parameters)) later_places_.push_back({first[i], i});
        continue;
      }
      const state_view& found = values.parameters()[parameters.find(parameter_path(p, owner), shape_of_slot(owner))];
      value_spans_[i] = found.values;
      view_of_slot_[static_cast<std::size_t>(owner.owner)] = views_.size();
      views_.push_back({found.name, found.shape, found.values, parameter_gradient(gradients, i)});
      slots_.push_back(static_cast<std::size_t>(owner.owner));
    }
    parameters.require_all();
    find_first_unreached(p, first, held, trained);

    const std::vector<std::size_t> first_state = detail::first_places(p.states, held.states);
    detail::value_matching states("state", values.states());
    for (std::size_t i = 0; i < p.states.size(); ++i) {
      if (!held.states[i]) continue;
      if (first_state[i] != i) {
        state_spans_[i] = state_spans_[first_state[i]];
        continue;
      }
      const parameter_slot& owner = p.states[p.states[i].owner];
      state_views_.push_back(values.states()[states.find(parameter_path(p, owner), shape_of_slot(owner))]);
      state_spans_[i] = state_views_.back().values;
      state_slots_.push_back(static_cast<std::size_t>(owner.owner));
    }
    states.require_all();
  }

  std::span<const parameter_view> views() const { return views_; }
  std::span<const state_view> state_views() const { return state_views_; }
  /// The slot of the program that owns each of `views()`, and each of `state_views()`.
  std::span<const std::size_t> slots() const { return slots_; }
  std::span<const std::size_t> state_slots() const { return state_slots_; }
  /// Which of `views()` the parameter is that a slot of the program has, and that owns it.
  std::size_t view_of(int slot) const { return view_of_slot_[static_cast<std::size_t>(slot)]; }
  /// The parameters, or the states, of the slots of one operation.
  value_spans values(int first, int count) const { return part_of(value_spans_, first, count); }
  value_spans states(int first, int count) const { return part_of(state_spans_, first, count); }
  std::span<const later_place> later_places() const { return later_places_; }
  /// The first places here of parameters to which no gradient leads: a step writes none there, before those of other
  /// places are added or the optimizer reads it.
  std::span<const std::size_t> first_unreached() const { return first_unreached_; }

 private:
  void find_first_unreached(const program& p, const std::vector<std::size_t>& first, const held_slots& held,
                            const std::vector<bool>& trained) {
    const core::list<backward_need> needs = detail::backward_needs(p);
    for (int i = 0; i < p.operations.count(); ++i)
      for (int k = 0; k < p.operations[i].parameters; ++k) {
        const auto slot = static_cast<std::size_t>(p.operations[i].first_parameter + k);
        if (held.parameters[slot] && trained[slot] && first[slot] == slot && !needs[i].parameters)
          first_unreached_.push_back(slot);
      }
  }
  /// Whether all places of a parameter are held.
  static bool is_whole(const core::list<parameter_slot>& slots, const parameter_slot& owner,
                       const std::vector<bool>& held) {
    for (std::size_t i = 0; i < slots.size(); ++i)
      if (slots[i].owner == owner.owner && !held[i]) return false;
    return true;
  }
  static std::span<const std::size_t> shape_of_slot(const parameter_slot& slot) {
    return {slot.declared.extents, static_cast<std::size_t>(slot.declared.rank)};
  }

  std::vector<std::span<float>> value_spans_, state_spans_;  // of each slot of the program
  std::vector<std::size_t> view_of_slot_;                    // of each owner
  std::vector<later_place> later_places_;
  std::vector<std::size_t> first_unreached_;
  std::vector<parameter_view> views_;
  std::vector<state_view> state_views_;
  std::vector<std::size_t> slots_, state_slots_;
};

}  // namespace remat
