// SPDX-License-Identifier: MIT
/// What an action of a tape reads and writes, while it is checked: reads find what they should, writes have the right
/// size, and none of them spoils what the same action still reads.
#pragma once

#include <remat/check/checked_memory.hpp>
#include <remat/check/expected_gradients.hpp>
#include <remat/core/error.hpp>
#include <remat/plan/plan_layout.hpp>

#include <cstddef>
#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

namespace remat::detail {

class checked_action {
 public:
  using buffers = core::short_list<int, operation::max_tensors>;
  using kind = value_terms::kind;

  checked_action(const program& p, const plan& made, value_terms& terms)
      : p_(p), plan_(made), terms_(terms), memory_(made) {}

  const checked_memory& memory() const { return memory_; }
  int number() const { return now_; }
  void begin(int number) {
    now_ = number;
    writes_.clear(), reads_.clear();
  }
  void end() {
    for (const auto& [b, value] : writes_) memory_.write(b, value, now_);
    for (const auto& [b, value] : writes_) require(memory_.holds(b, value), "writes two buffers with bytes in common");
  }
  void require(bool holds, const std::string& what) const {
    if (!holds) throw error("action " + std::to_string(now_) + " " + what);
  }

  void read(int b, int value) {
    reads_.push_back(b);
    require(memory_.read(b, now_) == value, "reads buffer " + std::to_string(b) + ", which holds something else");
  }
  int read_any(int b) {
    reads_.push_back(b);
    return memory_.read(b, now_);
  }
  /// `over`: the buffers that it may write over.
  void write(int b, int value, std::size_t bytes, std::initializer_list<int> over = {}) {
    require(b >= 0 && b < plan_.steps.buffers.count(), "writes a buffer that is not in the plan");
    require(plan_.steps.buffers[b].bytes == bytes, "writes buffer " + std::to_string(b) + ", which has another size");
    for (const int other : reads_) {
      bool may = memory_.are_apart(b, other);
      for (const int each : over) may = may || (each == other && memory_.are_same(b, other));
      require(may, "writes over buffer " + std::to_string(other) + " while it reads it");
    }
    for (const int sent : kept_)
      require(memory_.are_apart(b, sent), "writes over buffer " + std::to_string(sent) + ", which is sent");
    writes_.push_back({b, value});
  }
  /// From here on nothing writes over what the buffer holds: it may still be on its way to another stage.
  void keep(int b) { kept_.push_back(b); }
  std::size_t bytes_of(int t, bool is_gradient) const { return p_.bytes_of(t, is_gradient, plan_.batch); }
  const buffer& buffer_of(int b) const {
    require(b >= 0 && b < plan_.steps.buffers.count(), "names a buffer that is not in the plan");
    return plan_.steps.buffers[b];
  }
  /// The tensor of a buffer, which must be what it is said to be.
  int tensor_of(int b, bool is_gradient) const {
    const buffer& here = buffer_of(b);
    require(here.is_gradient == is_gradient && here.tensor >= 0 && here.tensor < p_.tensors.count(),
            "has buffer " + std::to_string(b) + ", which is of no such tensor");
    return here.tensor;
  }

  /// Adds a term to what the buffer holds.
  void add(int b, int term) {
    for (const int other : reads_) require(memory_.are_apart(b, other), "adds to a gradient that it reads");
    for (auto& [written, value] : writes_)
      if (written == b) return void(value = terms_.of(kind::sum, value, term));  // an input that comes twice
    writes_.push_back({b, terms_.of(kind::sum, memory_.read(b, now_), term)});
  }
  /// The buffers of an operation's tensors, those of these bits.
  void read_all(const buffers& some, const buffers& tensors, unsigned bits) {
    require(some.size == tensors.size, "has other tensors than its operation");
    for (int k = 0; k < tensors.size; ++k) {
      require(((bits >> k & 1) != 0) == (some.values[k] != core::none), "reads other tensors than its kernel does");
      if (some.values[k] != core::none) read(some.values[k], terms_.tensor(tensors.values[k]));
    }
  }

 private:
  const program& p_;
  const plan& plan_;
  value_terms& terms_;
  checked_memory memory_;
  int now_ = 0;
  std::vector<int> reads_, kept_;
  std::vector<std::pair<int, int>> writes_;  // buffers, and what they hold then
};

}  // namespace remat::detail
