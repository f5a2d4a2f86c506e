// SPDX-License-Identifier: MIT
/// What an optimizer remembers: rows of numbers of its own for each parameter of one model, zero at the start, and how
/// often it has updated it.
///
/// It is kept by name, for every parameter of the model: a rank counts the updates of parameters that others hold, and
/// has no numbers for them. Several models on the same parameters have one such memory: what one of them freezes,
/// another may train. While a parameter is frozen, its numbers and its count of updates stay what they are; for one
/// that no step has updated, nothing is kept.
#pragma once

#include <remat/core/error.hpp>
#include <remat/run/trainable.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace remat {

class optimizer_state {
 public:
  /// Throws `error` where this state is that of a model on other parameters. One that remembers nothing yet is then
  /// that of this model.
  void attach(const trainable& model) {
    if (model_ == model.identity()) return;
    if (remembers())
      throw error(
          "an optimizer serves the model of its first step, and those that share its parameters; make one for each "
          "other model");
    parameters_.clear();
    for (const parameter_view& p : model.all_parameters()) parameters_.push_back({.name = p.name});
    model_ = model.identity();
  }
  std::size_t size() const { return parameters_.size(); }

  /// The number here of the parameter of this name, which is often `likely`.
  std::size_t find(std::string_view name, std::size_t likely) const {
    if (likely < size() && parameters_[likely].name == name) return likely;
    return static_cast<std::size_t>(std::ranges::find(parameters_, name, &memory::name) - parameters_.begin());
  }

  /// Sees that a parameter has at least `rows` rows of numbers, one for each of the `elements` that are updated here.
  void provide(std::size_t parameter, std::size_t elements, std::size_t rows) {
    memory& m = parameters_[parameter];
    m.is_new = m.is_new || (m.rows.empty() && rows > 0);
    while (m.rows.size() < rows) m.rows.emplace_back(elements);
  }

  /// Null where there are fewer rows.
  float* row(std::size_t parameter, std::size_t r) {
    memory& m = parameters_[parameter];
    return r < m.rows.size() ? m.rows[r].data() : nullptr;
  }
  /// Whether a parameter has rows that no step has updated.
  bool is_new(std::size_t parameter) const { return parameters_[parameter].is_new; }
  /// How often it was updated.
  std::uint64_t steps(std::size_t parameter) const { return parameters_[parameter].steps; }
  /// A step has updated it, and every row.
  void settle(std::size_t parameter) {
    parameters_[parameter].is_new = false;
    ++parameters_[parameter].steps;
  }

  /// Adds a count of updates for each parameter of a list that has the model's, and its rows, of these names, whether
  /// there are numbers in them or not: "optimizer/conv1.weight/exp_avg". `may_begin_late`: there may be none after
  /// updates.
  void add_tensors(tensor_list& all, const std::string& prefix, std::span<const std::string_view> row_names,
                   bool may_begin_late) {
    const std::size_t weights = all.size();
    for (std::size_t i = 0; i < weights; ++i) {
      const named_tensor p = all[i];  // adding to the list moves it
      if (p.role != tensor_role::parameter) continue;
      const std::string name = prefix + "/" + p.name + "/";
      const std::size_t n = find(p.name, i);
      memory& m = parameters_[n];
      named_tensor row{.name = {}, .role = tensor_role::optimizer, .shape = p.shape};
      row.holders = all.ranks().holders_of(tensor_role::optimizer, p.slot, p.elements());
      held_elements mine;
      for (const held_elements& each : row.holders)
        if (each.rank == all.ranks().rank()) mine = each;
      row.first = mine.first;
      all.add_counter(name + "steps", m.steps);
      if (!may_begin_late) row.counted_by = name + "steps";
      for (std::size_t r = 0; r < row_names.size(); ++r) {
        row.name = name + std::string(row_names[r]);
        row.names = {row.name};
        row.is_there = r < m.rows.size() && !m.is_new;
        row.here = row.is_there ? std::as_writable_bytes(std::span(m.rows[r])) : std::span<std::byte>();
        row.keep = [this, n, r, elements = mine.size()](bool wanted) { return keep(n, r, elements, wanted); };
        all.add(row);
      }
    }
  }

  /// Of all rows.
  std::size_t bytes() const {
    std::size_t sum = 0;
    for (const memory& m : parameters_)
      for (const std::vector<float>& row : m.rows) sum += row.size() * sizeof(float);
    return sum;
  }

 private:
  struct memory {
    std::string name = {};
    std::vector<std::vector<float>> rows = {};
    bool is_new = false;
    std::uint64_t steps = 0;
  };

  /// Makes row `r` of a parameter, and those before it, as if a step had updated them; or forgets it, and those after
  /// it.
  std::span<std::byte> keep(std::size_t parameter, std::size_t r, std::size_t elements, bool wanted) {
    memory& m = parameters_[parameter];
    if (!wanted) {
      if (m.rows.size() > r) m.rows.resize(r);
      return {};
    }
    if (std::exchange(m.is_new, false)) m.rows.clear();
    provide(parameter, elements, r + 1);
    m.is_new = false;
    return std::as_writable_bytes(std::span(m.rows[r]));
  }
  bool remembers() const {
    return std::ranges::any_of(parameters_, [](const memory& m) { return m.steps != 0; });
  }

  std::uint64_t model_ = 0;
  std::vector<memory> parameters_;
};

}  // namespace remat
