// SPDX-License-Identifier: MIT
/// Which parameter and state slots of a program a process holds, which of them are trained, and memory for some.
#pragma once

#include <remat/core/alignment.hpp>
#include <remat/model/program.hpp>
#include <remat/run/memory_block.hpp>

#include <cstddef>
#include <span>
#include <vector>

namespace remat {

/// Of each slot of a program, whether it is held.
struct held_slots {
  std::vector<bool> parameters, states;
};
/// Those of the operations for which `is_held(operation)` is true.
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
/// Those of all operations.
inline held_slots all_slots(const program& p) {
  return slots_of_operations(p, [](const operation&) { return true; });
}

/// Of each parameter slot, whether it is trained: a parameter is frozen in all of its places where it is in one.
inline std::vector<bool> trained_slots(const program& p) {
  std::vector<bool> trained(p.parameters.size(), true);
  for (const operation& o : p.operations)
    for (int k = 0; k < o.parameters; ++k)
      if (o.frozen) trained[static_cast<std::size_t>(p.parameters[o.first_parameter + k].owner)] = false;
  for (int i = 0; i < p.parameters.count(); ++i)
    trained[static_cast<std::size_t>(i)] = trained[static_cast<std::size_t>(p.parameters[i].owner)];
  return trained;
}

namespace detail {

/// For each slot, the first one of those held that has the same owner.
inline std::vector<std::size_t> first_places(const core::list<parameter_slot>& slots, const std::vector<bool>& held) {
  std::vector<std::size_t> first(slots.size(), slots.size()), of_owner(slots.size(), slots.size());
  for (std::size_t i = 0; i < slots.size(); ++i) {
    if (!held[i]) continue;
    std::size_t& mine = of_owner[static_cast<std::size_t>(slots[i].owner)];
    if (mine == slots.size()) mine = i;
    first[i] = mine;
  }
  return first;
}

/// Where slots begin in a block of memory, in bytes.
struct slot_layout {
  std::vector<std::size_t> offsets = {};
  std::size_t bytes = 0;
};
/// One after another; those that are not wanted take nothing.
template <class Wanted>
slot_layout layout_of(const core::list<parameter_slot>& slots, const Wanted& wanted) {
  slot_layout made;
  for (std::size_t i = 0; i < slots.size(); ++i) {
    made.offsets.push_back(made.bytes);
    if (wanted(i)) made.bytes += aligned(slots[i].declared.elements() * sizeof(float));
  }
  return made;
}

/// A block with room for the wanted slots; the spans of the others are empty.
template <class Wanted>
memory_block carve(std::vector<std::span<float>>& spans, const core::list<parameter_slot>& slots,
                   const Wanted& wanted) {
  const slot_layout places = layout_of(slots, wanted);
  memory_block block(places.bytes);
  for (std::size_t i = 0; i < slots.size(); ++i) {
    spans.emplace_back();
    if (wanted(i))
      spans.back() = {reinterpret_cast<float*>(block.data() + places.offsets[i]), slots[i].declared.elements()};
  }
  return block;
}

}  // namespace detail
}  // namespace remat
