// SPDX-License-Identifier: MIT
/// What a plan is asked for.
#pragma once

#include <remat/core/storage_space.hpp>
#include <remat/plan/operation_costs.hpp>
#include <remat/plan/slice.hpp>
#include <remat/plan/updating.hpp>

#include <cstddef>
#include <optional>

namespace remat {

class rank_memory;
struct budget_choice;

struct plan_request {
  std::size_t batch = 1;                    ///< of a micro-batch
  slice covered = {};                       ///< a stage and its micro-batches in flight; or the whole program
  const operation_costs* costs = nullptr;   ///< measured, of the same program at any batch; null: FLOPs are counted
  std::optional<std::size_t> bytes = {};    ///< that the activations may take, where policies are to know
  updating updates = updating::after_step;  ///< when parameters are, and where their gradients are until then
  const rank_memory* rank = nullptr;        ///< what the rank holds in all; null: what the program says of it
  const budget_choice* chosen = nullptr;  ///< what budgets compute again, where that is known; null: it is searched for
  transfer_rate rate = {};                ///< of storages out of the arena that state none themselves
};

}  // namespace remat
