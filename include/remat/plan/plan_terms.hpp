// SPDX-License-Identifier: MIT
/// The terms on which all plans of a model are made: what its policies are told in addition to a plan's batch and
/// stage.
#pragma once

#include <remat/core/error.hpp>
#include <remat/plan/plan_request.hpp>

#include <cstddef>
#include <memory>
#include <optional>
#include <utility>

namespace remat {

struct plan_terms {
  std::shared_ptr<const operation_costs> costs = {};  ///< measured; null: FLOPs are counted
  std::optional<std::size_t> activation_bytes = {};   ///< that the activations of a plan may take
  transfer_rate rate = {};                            ///< of storages out of the arena that state none themselves
  bool recomputes_in_bubbles =
      true;  ///< budgets choose by where a pipeline's stages wait (partition/bubble_search.hpp)

  plan_request request(std::size_t batch, const slice& covered = {}, updating updates = updating::after_step,
                       const rank_memory* rank = nullptr, const budget_choice* chosen = nullptr) const {
    return {batch, covered, costs.get(), activation_bytes, updates, rank, chosen, rate};
  }
};

/// The terms of a fused program. Throws `error` for costs of another program.
inline plan_terms make_terms(const program& p, std::optional<operation_costs> costs,
                             std::optional<std::size_t> activation_bytes, const transfer_rate& rate = {}) {
  plan_terms terms{.activation_bytes = activation_bytes, .rate = rate};
  if (!costs) return terms;
  require_costs_of(p, *costs);
  if (costs->batch == 0) throw error("the costs are of a batch of 0 samples; say of how many they are");
  terms.costs = std::make_shared<const operation_costs>(std::move(*costs));
  return terms;
}

}  // namespace remat
