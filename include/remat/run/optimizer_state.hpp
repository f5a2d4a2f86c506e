// SPDX-License-Identifier: MIT
/// What an optimizer remembers: numbers of its own for each parameter of one model, zero at the start, and how often it
/// has updated it.
///
/// Several models on the same parameters have one such memory: what one of them freezes, another may train. Parameters
/// are numbered as the models' shared values are (`parameter_store::value_numbers`). While a parameter is frozen, its
/// numbers and its count of updates stay what they are; for one that no step has updated, nothing is kept.
#pragma once

#include <remat/core/error.hpp>
#include <remat/run/trainable.hpp>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace remat {

class optimizer_state {
 public:
  /// Throws `error` where this state belongs to a model on other parameters.
  void require(const trainable& model) const {
    if (model_ != 0 && model_ != model.identity())
      throw error(
          "an optimizer serves the model of its first step, and those that share its parameters; make one for each "
          "other model");
  }
  /// Binds the state to a model, which `require` accepts.
  void attach(const trainable& model) {
    if (model_ != 0) return;
    parameters_.resize(model.parameters().size());
    model_ = model.identity();
  }

  /// Sees that the parameter of this number has at least `rows` rows of numbers, one for each of `elements`,
  /// and says how many bytes it allocated for that.
  std::size_t provide(std::size_t parameter, std::size_t elements, std::size_t rows) {
    memory& m = parameters_[parameter];
    std::size_t bytes = 0;
    while (m.rows.size() < rows) {
      m.is_new = m.is_new || m.rows.empty();
      m.rows.emplace_back(elements);
      bytes += elements * sizeof(float);
    }
    return bytes;
  }

  /// Null where there are fewer rows.
  float* row(std::size_t parameter, std::size_t r) {
    memory& m = parameters_[parameter];
    return r < m.rows.size() ? m.rows[r].data() : nullptr;
  }
  /// Whether a parameter has rows that no step has updated.
  bool is_new(std::size_t parameter) const { return parameters_[parameter].is_new; }
  /// How often it was updated.
  std::size_t steps(std::size_t parameter) const { return parameters_[parameter].steps; }
  /// A step has updated it, and every row.
  void settle(std::size_t parameter) {
    parameters_[parameter].is_new = false;
    ++parameters_[parameter].steps;
  }

 private:
  struct memory {
    std::vector<std::vector<float>> rows = {};
    bool is_new = false;
    std::size_t steps = 0;
  };

  std::uint64_t model_ = 0;
  std::vector<memory> parameters_;
};

}  // namespace remat
