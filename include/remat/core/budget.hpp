// SPDX-License-Identifier: MIT
/// A budget: a policy that is given bytes, and leaves to the planner what is kept and what is computed again.
///
///     checkpoint<Net, budget<20'000'000>>                   // bytes of the plan's activations
///     checkpoint<Net, budget<share_of_save_all(0.25)>>      // of what they take where everything is kept
///     checkpoint<Net, budget<of_rank(2'000'000'000)>>       // of all that the rank holds
///     checkpoint<Net, budget<>>                             // what the model's option `activation_bytes` says
///     checkpoint_at("", budget{bytes})                      // the same as values
///
/// The plan's activations, all of them, take at most these bytes: those outside of the checkpoint are counted, and what
/// a stage of a pipeline holds for its micro-batches in flight and for its messages. A budget of the whole rank counts
/// what a model's `planned_memory` says: weights, states, gradients, optimizer, activations, packed weights, scratch.
///
/// Among the plans that fit the fastest is taken (plan/budget_search.hpp); where none fits, an error names the smallest
/// number of bytes that one does. Checkpoints inside of a budget's are not used.
#pragma once

#include <remat/core/error.hpp>
#include <remat/core/operation_view.hpp>

#include <concepts>
#include <cstddef>
#include <optional>
#include <string_view>
#include <utility>

namespace remat {

/// How many bytes a plan may take.
struct byte_limit {
  std::size_t bytes = 0;
  double share = 0;         ///< of what `save_all` takes; 0: `bytes` counts
  bool is_of_rank = false;  ///< of all that the rank holds, and not of activations alone

  template <std::integral Number>
  constexpr byte_limit(Number number)  // NOLINT(google-explicit-constructor): a number is one
      : bytes(static_cast<std::size_t>(number)) {
    if (std::cmp_less(number, 0)) throw error("a budget's bytes are at least 0; give it as many as a step may take");
  }
  constexpr byte_limit(std::size_t number, double of_save_all) : bytes(number), share(of_save_all) {}

  /// In bytes, where `save_all` takes these.
  constexpr std::size_t of(std::size_t save_all) const {
    return share > 0 ? static_cast<std::size_t>(share * static_cast<double>(save_all)) : bytes;
  }
};

/// A share of the bytes that the plan's activations take where everything is kept.
constexpr byte_limit share_of_save_all(double share) {
  if (!(share > 0 && share <= 1)) throw error("a budget is a share of save_all's bytes above 0 and up to 1; give one");
  return {0, share};
}

/// All that the rank holds: weights, states, gradients, optimizer, and the arena. An optimizer counts that is given to
/// the step (`train_step(x, y, optimizer)`); what steps apart, or is none of the model's, is told by the model's option
/// `other_bytes`.
template <std::integral Number>
constexpr byte_limit of_rank(Number bytes) {
  byte_limit limit = bytes;
  limit.is_of_rank = true;
  return limit;
}

/// A policy that leaves to the planner what is kept, within a number of bytes; none: those of the request.
template <class T>
concept BudgetPolicy = requires(const T& policy) {
  { policy.limit() } -> std::same_as<std::optional<byte_limit>>;
};

/// The bytes are in the type, or in the object.
template <byte_limit... Limit>
struct budget {
  static_assert(sizeof...(Limit) == 1, "remat: a budget has one number of bytes; write budget<20'000'000>");

  static constexpr std::string_view policy_name = "budget";
  static constexpr std::optional<byte_limit> limit() { return (Limit, ...); }
  static constexpr decision decide(const operation_view&) { return decision::keep; }
};
template <>
struct budget<> {
  std::optional<byte_limit> bytes = {};  ///< none: those of the request

  static constexpr std::string_view policy_name = "budget";
  constexpr budget() = default;
  constexpr explicit budget(byte_limit number) : bytes(number) {}
  constexpr std::optional<byte_limit> limit() const { return bytes; }
  /// What it keeps where no planner searches: everything.
  static constexpr decision decide(const operation_view&) { return decision::keep; }
};
budget()->budget<>;
template <class Bytes>
budget(Bytes) -> budget<>;

}  // namespace remat
