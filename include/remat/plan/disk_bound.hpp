// SPDX-License-Identifier: MIT
/// What no schedule of a program can beat that may take tensors to a disk.
///
/// Whoever has `d` bytes there computes at least as much again as one that has them in memory in addition to its own
/// (recomputation_bound.hpp). They are written in the forward pass, and read in the backward pass. So a step takes at
/// least
///
///     min over d  { max(forward, d / written a second) + max(backward + recomputed in d bytes more, d / read a second) }
///
/// of which each step of a grid of d is taken at its better ends.
#pragma once

#include <remat/plan/certificate.hpp>
#include <remat/plan/recomputation_bound.hpp>
#include <remat/plan/transfer_times.hpp>

#include <algorithm>
#include <cstddef>
#include <limits>

namespace remat::detail {

/// The fastest of the storages that budgets may use.
inline transfer_rate fastest_rate(const program& p, const transfer_rate& of_request) {
  transfer_rate fastest;
  for (const module_node& n : p.nodes)
    for (const checkpoint_setting& each : n.checkpoints) {
      const storage_form* const form = each.storage.form();
      if (!each.policy.has_budget() || form == nullptr || !form->is_outside) continue;
      const transfer_rate here = rate_of(*form, of_request);
      fastest = {std::max(fastest.write, here.write), std::max(fastest.read, here.read)};
    }
  return fastest;
}

/// `time`: of a plan, whose unit `second` is a second in; `share`: that unit in the one of the bound.
inline double least_on_disk(const recomputation_bound& bound, std::size_t limit, std::size_t save_all_bytes,
                            const predicted_time& time, double share, double second, const transfer_rate& rate) {
  constexpr std::size_t steps = 256;
  const std::size_t most = save_all_bytes > limit ? save_all_bytes - limit : 0, step = most / steps + 1;
  double least = std::numeric_limits<double>::infinity();
  for (std::size_t from = 0; from <= most; from += step) {
    const double taken = second * static_cast<double>(from);
    const double again = from + step > most ? 0 : share * bound.least_recomputed(limit + from + step);
    least = std::min(least,
                     std::max(time.forward, taken / rate.write) + std::max(time.backward + again, taken / rate.read));
  }
  return least;
}

}  // namespace remat::detail
