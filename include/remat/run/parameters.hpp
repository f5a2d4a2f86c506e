// SPDX-License-Identifier: MIT
/// The parameters of a model and their gradients, apart from any plan: every plan of a model works on the same ones.
#pragma once

#include <remat/core/error.hpp>
#include <remat/model/program.hpp>
#include <remat/run/memory.hpp>

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

/// All parameters, in the order of the program. Values and gradients are two blocks of memory.
class parameter_store {
 public:
  /// Initial values depend on the seed and each parameter's place alone.
  parameter_store(const program& p, std::uint64_t seed) {
    std::size_t total = 0;
    for (const parameter_slot& slot : p.parameters) total += aligned_elements(slot);
    values_ = memory_block(total * sizeof(float));
    gradients_ = memory_block(total * sizeof(float));
    float *value = reinterpret_cast<float*>(values_.data()), *gradient = reinterpret_cast<float*>(gradients_.data());
    std::uint32_t place = 0;
    for (const parameter_slot& slot : p.parameters) {
      const std::size_t size = slot.declared.elements();
      parameter_view view{parameter_path(p, slot), {}, {value, size}, {gradient, size}};
      for (int i = 0; i < slot.declared.rank; ++i) view.shape.push_back(slot.declared.extents[i]);
      slot.declared.start.fill(view.values, random_stream(seed, initial_values, place++));
      views_.push_back(view);
      value += aligned_elements(slot);
      gradient += aligned_elements(slot);
    }
    for (const parameter_view& view : views_) {
      value_spans_.push_back(view.values);
      gradient_spans_.push_back(view.gradient);
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
  /// Where an operation's parameters begin.
  std::span<float>* values(int first) { return value_spans_.data() + first; }
  std::span<float>* gradients(int first) { return gradient_spans_.data() + first; }

  std::span<std::byte> gradient_block() { return gradients_.bytes(); }
  std::span<std::byte> value_block() { return values_.bytes(); }

 private:
  static constexpr std::uint32_t initial_values = 0x696e6974;  // names the random streams of initial values

  static std::size_t aligned_elements(const parameter_slot& slot) { return (slot.declared.elements() + 15) / 16 * 16; }

  memory_block values_, gradients_;
  std::vector<parameter_view> views_;
  std::vector<std::span<float>> value_spans_, gradient_spans_;
};

}  // namespace remat
