// SPDX-License-Identifier: MIT
/// The parameters of a model and their gradients, apart from any plan: every plan of a model works on the same ones.
#pragma once

#include <remat/core/alignment.hpp>
#include <remat/core/error.hpp>
#include <remat/core/parallel.hpp>
#include <remat/model/program.hpp>
#include <remat/run/memory_block.hpp>

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

/// All parameters and states, in the order of the program. Values, gradients and states are a block of memory each.
///
/// A frozen parameter has an empty gradient. A shared one has one view, and a gradient for each of its places, which
/// `sum_shared` adds up.
class parameter_store {
 public:
  /// Initial values depend on the seed and each parameter's place alone.
  parameter_store(const program& p, std::uint64_t seed) {
    const std::vector<bool> trained = trained_slots(p);
    values_ = carve(value_spans_, p.parameters, [&](int i) { return p.parameters[i].owner == i; });
    gradients_ = carve(gradient_spans_, p.parameters, [&](int i) { return trained[static_cast<std::size_t>(i)]; });
    states_ = carve(state_spans_, p.states, [&](int i) { return p.states[i].owner == i; });
    for (int i = 0; i < p.parameters.count(); ++i) {
      const parameter_slot& slot = p.parameters[i];
      const std::size_t at = static_cast<std::size_t>(i);
      if (slot.owner != i) {
        value_spans_[at] = value_spans_[static_cast<std::size_t>(slot.owner)];
        if (trained[at]) places_.push_back({static_cast<std::size_t>(slot.owner), at});
        continue;
      }
      views_.push_back({parameter_path(p, slot), shape_of_slot(slot), value_spans_[at], gradient_spans_[at]});
      slot.declared.start.fill(value_spans_[at], random_stream(seed, initial_values, static_cast<std::uint32_t>(i)));
    }
    for (int i = 0; i < p.states.count(); ++i) {
      const parameter_slot& slot = p.states[i];
      const std::size_t at = static_cast<std::size_t>(i);
      if (slot.owner != i) {
        state_spans_[at] = state_spans_[static_cast<std::size_t>(slot.owner)];
        continue;
      }
      state_views_.push_back({parameter_path(p, slot), shape_of_slot(slot), state_spans_[at]});
      slot.declared.start.fill(state_spans_[at], random_stream(seed, initial_states, static_cast<std::uint32_t>(i)));
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
  /// Where an operation's parameters, their gradients, or its states begin.
  std::span<float>* values(int first) { return value_spans_.data() + first; }
  std::span<float>* gradients(int first) { return gradient_spans_.data() + first; }
  std::span<float>* states(int first) { return state_spans_.data() + first; }

  /// Adds the gradients of the later places of shared parameters to that of the first, in the order of the program.
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

 private:
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

  /// A block with room for the wanted slots; the spans of the others are empty.
  template <class Wanted>
  static memory_block carve(std::vector<std::span<float>>& spans, const list<parameter_slot>& slots,
                            const Wanted& wanted) {
    std::size_t bytes = 0;
    for (int i = 0; i < slots.count(); ++i)
      if (wanted(i)) bytes += aligned(slots[i].declared.elements() * sizeof(float));
    memory_block block(bytes);
    std::byte* next = block.data();
    for (int i = 0; i < slots.count(); ++i) {
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
  std::vector<std::span<float>> value_spans_, gradient_spans_, state_spans_;
  std::vector<place> places_;
  std::vector<parameter_view> views_;
  std::vector<state_view> state_views_;
};

}  // namespace remat
