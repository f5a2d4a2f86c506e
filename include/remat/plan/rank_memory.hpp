// SPDX-License-Identifier: MIT
/// What a rank holds, as far as a plan needs to know it: a budget may be given the whole.
#pragma once

#include <remat/core/alignment.hpp>
#include <remat/core/list.hpp>
#include <remat/plan/plan_layout.hpp>
#include <remat/plan/plan_request.hpp>

#include <cstddef>

namespace remat {

/// Asked by the planner for the bytes of a rank that runs one plan or another.
class rank_memory {
 public:
  /// Of the activations of a plan whose memory is placed, with those of all its micro-batches in flight.
  constexpr virtual std::size_t activations(const plan& made) const { return bytes_in_flight(made); }
  /// In all, with such a plan.
  constexpr virtual std::size_t bytes_with(const plan& made) const = 0;
  /// No plan of as many activations has less in all.
  constexpr virtual std::size_t least_with(std::size_t activation_bytes) const = 0;

 protected:
  rank_memory() = default;
  constexpr ~rank_memory() = default;
};

namespace detail {

/// The weights and states of operations that one rank runs, what is once on it counted once, and the gradients of those
/// that are trained.
class parameter_bytes {
 public:
  constexpr explicit parameter_bytes(const program& p)
      : p_(p), is_met_(p.parameters.size()), is_state_met_(p.states.size()) {}

  /// Adds the operations that a slice covers; `updates` says whether their gradients outlive the tape.
  constexpr void add(const slice& covered, updating updates) {
    for (int i = covered.first; i < covered.last; ++i) {
      const operation& o = p_.operations[i];
      for (int k = o.first_parameter; k < o.first_parameter + o.parameters; ++k) {
        const std::size_t bytes = aligned(p_.parameters[k].declared.elements() * sizeof(float));
        const int owner = p_.parameters[k].owner;
        if (!is_met_[owner]) sum_ += bytes;
        is_met_[owner] = 1;
        if (!o.frozen && updates != updating::from_arena) sum_ += bytes;
      }
      for (int k = o.first_state; k < o.first_state + o.states; ++k) {
        const int owner = p_.states[k].owner;  // and its values before the step
        if (!is_state_met_[owner]) sum_ += 2 * aligned(p_.states[k].declared.elements() * sizeof(float));
        is_state_met_[owner] = 1;
      }
    }
  }
  constexpr std::size_t sum() const { return sum_; }

 private:
  const program& p_;
  core::list<int> is_met_, is_state_met_;
  std::size_t sum_ = 0;
};

/// What is known of a program alone: parameters and states, and the plan's activations, without what kernels need.
class program_memory : public rank_memory {
 public:
  constexpr program_memory(const program& p, const slice& covered, updating updates) {
    parameter_bytes fixed(p);
    fixed.add(covered, updates);
    fixed_ = fixed.sum();
  }

  constexpr std::size_t bytes_with(const plan& made) const override {
    return fixed_ + activations(made) + made.gradient_bytes;
  }
  constexpr std::size_t least_with(std::size_t activation_bytes) const override { return fixed_ + activation_bytes; }

 private:
  std::size_t fixed_ = 0;
};

}  // namespace detail
}  // namespace remat
