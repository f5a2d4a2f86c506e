// SPDX-License-Identifier: MIT
/// What an optimizer remembers: numbers of its own for each parameter of one model, zero at the start.
///
/// A parameter without a gradient is frozen: nothing is kept for it.
#pragma once

#include <remat/core/error.hpp>
#include <remat/run/trainable.hpp>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace remat {

class optimizer_state {
 public:
  /// Throws `error` where this state belongs to another model.
  void require(const trainable& model) const {
    if (model_ != 0 && model_ != model.identity())
      throw error("an optimizer serves the model of its first step; make one for each model");
  }
  /// Binds the state to a model, which `require` accepts.
  void attach(const trainable& model) {
    if (model_ != 0) return;
    parameters_.resize(model.parameters().size());
    model_ = model.identity();
  }

  /// Sees that the model's parameter of this number has at least `rows` rows of numbers, one for each of `elements`,
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
  /// A step has updated every row.
  void settle() {
    for (memory& m : parameters_) m.is_new = false;
  }

 private:
  struct memory {
    std::vector<std::vector<float>> rows = {};
    bool is_new = false;
  };

  std::uint64_t model_ = 0;
  std::vector<memory> parameters_;
};

}  // namespace remat
