// SPDX-License-Identifier: MIT
/// Recomputation in the bubble: what the budgets of a pipeline's stages compute again in each micro-batch, so that the
/// step is short, and not the recomputation itself.
///
/// A stage waits where the gradient of its micro-batch is still being made. What it computes again before it needs that
/// gradient takes no time there (as in AdaPipe, Sun et al. 2024, and Lynx, 2024). So a budget of bytes chooses among
/// the ways of bubble_ways.hpp by the simulated step:
///
///     1. each rank alone takes, stage by stage, the fastest way that fits in its bytes while the others keep everything;
///     2. stage after stage, again, while the others do what they do, until nothing changes;
///     3. of each stage, single micro-batches whose recomputation is not hidden keep more, where bytes are left, maybe since
///        the others keep less.
///
/// The step is never longer than with what each rank chooses without the others, as the simulator has it, with messages
/// that take no time. Bytes are those that the rank lays out with these micro-batches. All ranks find the same.
#pragma once

#include <remat/partition/bubble_stage.hpp>
#include <remat/partition/bubble_ways.hpp>
#include <remat/partition/budgeted_rank.hpp>
#include <remat/partition/pipeline_timetable.hpp>
#include <remat/partition/simulated_runs.hpp>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <span>
#include <vector>

namespace remat::detail {

class bubble_search {
 public:
  /// Tasks that are simulated, at most, and for each stage at least a few steps: where these are more, nothing is
  /// chosen.
  static constexpr double most_tasks = 3e6;

  /// Of how many ways each of this many stages may choose; 0 where simulating them would take too long.
  static int most_ways(const schedule_table& table, int stages) {
    const double most = std::min(400.0, most_tasks / (tasks_of_step(table) * std::max(stages, 1)));
    return most < 16 ? 0 : static_cast<int>(most);
  }

  /// Of all ranks, in order, each of which has chosen alone. What it is made of must outlive it.
  bubble_search(std::span<const std::unique_ptr<budgeted_rank>> ranks, const program& p, const schedule_table& table,
                const task_positions& positions, const pipeline_timetable& timetable, const operation_costs& costs)
      : table_(&table), positions_(&positions), runs_(table, positions, timetable, kept_costs(ranks, table)) {
    int budgets = 0;
    for (const auto& rank : ranks)
      for (std::size_t s = 0; s < rank->size(); ++s) budgets += rank->stage(s).has_budget() ? 1 : 0;
    for (const auto& rank : ranks)
      for (std::size_t s = 0; s < rank->size(); ++s) {
        if (!rank->is_short_of_bytes() || !rank->stage(s).has_budget()) continue;
        if (is_alike(rank->stage(s).number()))
          stages_.emplace_back(
              *rank, s, bubble_ways(rank->stage(s), p, costs, rank->taken(s)[0], most_ways(table, budgets)).all());
        else  // it does what it has chosen alone
          bubble_stage(*rank, s, {}).tell(runs_);
      }
  }

  void run() {
    if (stages_.empty()) return;
    const step_length none = runs_.run();  // the stages keep everything
    std::vector<std::vector<int>> base, alone;
    for (const bubble_stage& s : stages_) base.push_back(s.taken());
    for (std::size_t first = 0, end = 0; first < stages_.size(); first = end) {
      while (end < stages_.size() && stages_[end].rank() == stages_[first].rank()) stages_[end++].tell(runs_);
      for (std::size_t k = first; k < end; ++k) stages_[k].choose_uniform(runs_);
      for (std::size_t k = first; k < end; ++k) {
        alone.push_back(stages_[k].taken());
        stages_[k].tell_kept(runs_);
      }
    }
    const step_length of_base = length_of(base), of_alone = length_of(alone);
    step_length now = of_base.is_below(of_alone) ? length_of(base) : of_alone;
    for (int round = 0; round < 3 && none.seconds < now.seconds; ++round) {
      const step_length before = now;
      for (bubble_stage& s : stages_) now = s.choose_uniform(runs_);
      if (!now.is_below(before)) break;
    }
    for (bubble_stage& s : stages_)
      s.mix(runs_, 2 * most_tasks / static_cast<double>(stages_.size()), tasks_of_step(*table_));
  }

 private:
  static double tasks_of_step(const schedule_table& table) { return 2.0 * table.stages * table.microbatches; }

  static std::vector<stage_cost> kept_costs(std::span<const std::unique_ptr<budgeted_rank>> ranks,
                                            const schedule_table& table) {
    std::vector<stage_cost> kept(static_cast<std::size_t>(table.stages));
    for (const auto& rank : ranks)
      for (std::size_t s = 0; s < rank->size(); ++s)
        kept[static_cast<std::size_t>(rank->stage(s).number())] = rank->stage(s)[stage_ways::keeps_all()].cost;
    return kept;
  }
  /// Whether the micro-batches of a stage run the same passes.
  bool is_alike(int stage) const {
    for (int m = 1; m < table_->microbatches; ++m)
      if (positions_->halves_backward(stage, m) != positions_->halves_backward(stage, 0)) return false;
    return true;
  }
  step_length length_of(const std::vector<std::vector<int>>& taken) {
    for (std::size_t k = 0; k < stages_.size(); ++k) {
      stages_[k].take(taken[k]);
      stages_[k].tell(runs_);
    }
    return runs_.run();
  }

  const schedule_table* table_;
  const task_positions* positions_;
  simulated_runs runs_;
  std::vector<bubble_stage> stages_ = {};  // those that choose
};

}  // namespace remat::detail
