// SPDX-License-Identifier: MIT
/// The parameters of a model and their gradients, apart from any plan: every plan of a model works on the same ones.
#pragma once

#include <remat/core/alignment.hpp>
#include <remat/core/error.hpp>
#include <remat/model/program.hpp>
#include <remat/run/memory_block.hpp>

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
class parameter_store {
 public:
  /// Initial values depend on the seed and each parameter's place alone.
  parameter_store(const program& p, std::uint64_t seed)
      : values_(bytes_of(p.parameters)), gradients_(bytes_of(p.parameters)), states_(bytes_of(p.states)) {
    value_spans_ = carve(values_, p.parameters);
    gradient_spans_ = carve(gradients_, p.parameters);
    state_spans_ = carve(states_, p.states);
    for (std::size_t i = 0; i < p.parameters.size(); ++i) {
      const parameter_slot& slot = p.parameters[i];
      views_.push_back({parameter_path(p, slot), shape_of_slot(slot), value_spans_[i], gradient_spans_[i]});
      slot.declared.start.fill(value_spans_[i], random_stream(seed, initial_values, static_cast<std::uint32_t>(i)));
    }
    for (std::size_t i = 0; i < p.states.size(); ++i) {
      const parameter_slot& slot = p.states[i];
      state_views_.push_back({parameter_path(p, slot), shape_of_slot(slot), state_spans_[i]});
      slot.declared.start.fill(state_spans_[i], random_stream(seed, initial_states, static_cast<std::uint32_t>(i)));
    }
  }

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

  std::span<std::byte> gradient_block() { return gradients_.bytes(); }
  std::span<std::byte> value_block() { return values_.bytes(); }
  std::span<std::byte> state_block() { return states_.bytes(); }

 private:
  // Names of the random streams of initial values.
  static constexpr std::uint32_t initial_values = 0x696e6974, initial_states = 0x73746174;

  static std::size_t aligned_elements(const parameter_slot& slot) {
    return aligned(slot.declared.elements() * sizeof(float)) / sizeof(float);
  }
  static std::size_t bytes_of(const list<parameter_slot>& slots) {
    std::size_t elements = 0;
    for (const parameter_slot& slot : slots) elements += aligned_elements(slot);
    return elements * sizeof(float);
  }
  static std::vector<std::span<float>> carve(const memory_block& block, const list<parameter_slot>& slots) {
    std::vector<std::span<float>> spans;
    float* next = reinterpret_cast<float*>(block.data());
    for (const parameter_slot& slot : slots) {
      spans.emplace_back(next, slot.declared.elements());
      next += aligned_elements(slot);
    }
    return spans;
  }
  static std::vector<std::size_t> shape_of_slot(const parameter_slot& slot) {
    return {slot.declared.extents, slot.declared.extents + slot.declared.rank};
  }

  memory_block values_, gradients_, states_;
  std::vector<std::span<float>> value_spans_, gradient_spans_, state_spans_;
  std::vector<parameter_view> views_;
  std::vector<state_view> state_views_;
};

}  // namespace remat
