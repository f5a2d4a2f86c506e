// SPDX-License-Identifier: MIT
/// Which budgets a program has, and the limits of those that a slice of it is in.
#pragma once

#include <remat/core/error.hpp>
#include <remat/model/program.hpp>
#include <remat/plan/checkpoint_search.hpp>
#include <remat/plan/plan_request.hpp>

#include <cstddef>
#include <optional>

namespace remat {

/// The limits of a slice's budgets, the lowest ones; none where it has no budget of the kind.
struct budget_limits {
  std::optional<std::size_t> activations, rank;
};

/// Where `save_all` takes these bytes.
constexpr budget_limits limits_of(const program& p, const plan_request& request, std::size_t save_all_bytes) {
  detail::segment_search search{p};
  search.run(request.covered.stage);
  budget_limits lowest;
  for (const detail::found_segment& each : search.found) {
    if (!each.policy->has_budget()) continue;
    const std::optional<byte_limit> own = each.policy->limit();
    if (!own && !request.bytes)
      throw error(
          "a budget has no number of bytes; write budget<bytes> or budget{bytes}, or give the model its "
          "activation_bytes");
    const std::size_t bytes = own ? own->of(save_all_bytes) : *request.bytes;
    std::optional<std::size_t>& limit = own && own->is_of_rank ? lowest.rank : lowest.activations;
    if (!limit || bytes < *limit) limit = bytes;
  }
  return lowest;
}

namespace detail {

/// Whether a program has a policy of which this is true.
template <class Predicate>
constexpr bool has_policy(const program& p, const Predicate& is_one) {
  for (const stage_policy& each : p.stage_policies)
    if (is_one(each.policy)) return true;
  for (const module_node& each : p.nodes)
    for (const checkpoint_setting& setting : each.checkpoints)
      if (is_one(setting.policy)) return true;
  return false;
}

}  // namespace detail

/// Whether a program has a budget, and one of the whole rank.
constexpr bool has_budget(const program& p) {
  return detail::has_policy(p, [](const auto& policy) { return policy.has_budget(); });
}
constexpr bool has_rank_budget(const program& p) {
  return detail::has_policy(p, [](const auto& policy) {
    const std::optional<byte_limit> limit = policy.has_budget() ? policy.limit() : std::nullopt;
    return limit && limit->is_of_rank;
  });
}

/// Whether anything of what a request covers has one.
constexpr bool has_budget(const program& p, const plan_request& request) {
  if (!has_budget(p)) return false;
  detail::segment_search search{p};
  search.run(request.covered.stage);
  for (const detail::found_segment& each : search.found)
    if (each.policy->has_budget()) return true;
  return false;
}

}  // namespace remat
