// SPDX-License-Identifier: MIT
/// What the budgets of all stages of a pipeline choose, micro-batch by micro-batch: rank by rank within its bytes
/// (budgeted_rank.hpp), and then by what ranks wait for (bubble_search.hpp).
#pragma once

#include <remat/core/error.hpp>
#include <remat/partition/bubble_search.hpp>
#include <remat/partition/budgeted_rank.hpp>
#include <remat/partition/stage_choices.hpp>
#include <remat/plan/budget_limits.hpp>
#include <remat/plan/counted_costs.hpp>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <vector>

namespace remat {

/// Who chooses: one rank, for itself; or, without a number, somebody for all of them.
struct choosing_rank {
  int rank = core::none;
  const rank_arena* arena = nullptr;  ///< null: its activations
};

namespace detail {

inline void write_choices(const budgeted_rank& rank, std::vector<stage_choices>& made) {
  for (std::size_t s = 0; s < rank.size(); ++s) {
    if (!rank.stage(s).has_budget()) continue;
    stage_choices& to = made[static_cast<std::size_t>(rank.stage(s).number())];
    std::vector<int> numbers;
    for (const int w : rank.taken(s)) {
      const auto at = std::ranges::find(numbers, w);
      to.of_microbatch.push_back(static_cast<int>(at - numbers.begin()));
      if (at != numbers.end()) continue;
      numbers.push_back(w);
      to.ways.push_back(rank.stage(s)[w].choice);
    }
  }
}

}  // namespace detail

/// What the budgets of all stages compute again in a training step of the fused program with its stages. Throws `error`
/// where the budget of the rank that asks is too small, or of any. Where budgets do not look at what ranks wait for, or
/// may use a disk, that rank's own choices alone are among them.
inline std::vector<stage_choices> choose_in_pipeline(const program& p, const schedule_table& table,
                                                     const microbatch_sizes& sizes, const plan_terms& terms,
                                                     const choosing_rank& who = {}) {
  std::vector<stage_choices> made(static_cast<std::size_t>(table.stages));
  int budgets = 0;
  for (int s = 0; s < table.stages; ++s)
    budgets += has_budget(p, terms.request(sizes.samples, slice_of_stage(p, s))) ? 1 : 0;
  if (budgets == 0) return made;
  const bool looks = terms.recomputes_in_bubbles && table.stages > 1 && !detail::may_leave_arena(p) &&
                     detail::bubble_search::most_ways(table, budgets) > 0;
  const task_positions positions(table);
  const training_slices covered(table, positions);
  const pipeline_timetable timetable(p, table, true);
  const operation_costs costs = terms.costs ? *terms.costs : counted_costs(p, sizes.samples);
  const arena_of_activations plain;
  std::vector<std::unique_ptr<detail::budgeted_rank>> ranks;
  for (int rank = 0; rank < table.ranks(); ++rank) {
    const bool asks = who.rank == core::none || who.rank == rank;
    if (!asks && !looks) continue;
    detail::budgeted_rank& here = *ranks.emplace_back(std::make_unique<detail::budgeted_rank>(
        p, table, positions, timetable, covered, sizes, terms, costs, rank, who.arena != nullptr ? *who.arena : plain));
    try {
      here.choose_alone();
    } catch (const error&) {  // a rank whose bytes are too few says so itself
      if (asks) throw;
    }
  }
  if (looks) detail::bubble_search(ranks, p, table, positions, timetable, costs).run();
  for (const auto& rank : ranks) detail::write_choices(*rank, made);
  return made;
}

}  // namespace remat
