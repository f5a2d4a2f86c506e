// SPDX-License-Identifier: MIT
/// The plan of a program with budgets: of all that a grid of choices gives (budget_candidates.hpp), the fastest whose
/// memory, as it is placed, is within the bytes.
///
/// Keeping everything is tried first. No choice is faster, but where other checkpoints compute something again: those
/// that are faster are looked at in any case. The choices do not depend on the bytes, so that more bytes never take more
/// time. Those of long uniform runs, whose schedules have a closed form, take part (uniform_search.hpp). Where these are
/// too long for the solver, they are all. Budgets that may take tensors out of the arena have further candidates
/// (disk_search.hpp): of those and the ones without, the plan is taken whose step is predicted to take less.
#pragma once

#include <remat/plan/budget_bytes.hpp>
#include <remat/plan/budget_candidates.hpp>
#include <remat/plan/budget_choices.hpp>
#include <remat/plan/budget_limits.hpp>
#include <remat/plan/disk_search.hpp>
#include <remat/plan/predicted_cost.hpp>
#include <remat/plan/rank_memory.hpp>
#include <remat/plan/segment.hpp>
#include <remat/plan/training_planner.hpp>
#include <remat/plan/transfer_times.hpp>
#include <remat/plan/uniform_disk_search.hpp>
#include <remat/plan/uniform_search.hpp>

#include <algorithm>
#include <cstddef>
#include <limits>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

namespace remat::detail {

class budget_search {
 public:
  /// Of more, long uniform runs have their schedules from a closed form alone.
  static constexpr int most_solved_operations = 1'200;

  constexpr budget_search(const training_planner& planner, const program& p, const plan_request& request)
      : planner_(planner),
        p_(p),
        request_(request),
        of_program_(p, planner.covered(), request.updates),
        rank_(request.rank != nullptr ? *request.rank : of_program_) {}

  /// The plan. Throws `error` where none fits.
  constexpr plan run() {
    std::optional<plan> found = find();
    if (!found) refuse();
    return static_cast<plan&&>(*found);
  }

  /// The plan; none where none fits, and `shortfall` says by how much.
  constexpr std::optional<plan> find() {
    all_.emplace(planner_.make());
    const plan& all = *all_;
    limits_ = limits_of(p_, request_, rank_.activations(all));
    if (fits(all)) {
      const bool counts = counts_other_checkpoints(p_, planner_.covered());
      const double again = counts ? recomputation_cost(p_, all, request_.costs) : 0;
      std::optional<plan> faster;  // in which a segment of another checkpoint is left plain
      if (again > 0) faster = fastest_in_arena(all, again);
      return static_cast<plan&&>(faster ? *faster : *all_);
    }
    std::optional<plan> found = fastest_in_arena(all, std::numeric_limits<double>::infinity());
    if (may_leave_arena(p_)) {
      if (std::is_constant_evaluated())
        throw error("a budget that may use a disk is planned at run time; ask a model's plan(batch), or plan_training");
      take_faster_on_disk(found);
    }
    if (found) return static_cast<plan&&>(*found);
    require_choices();
    find_some_of_runs();
    return {};
  }

  /// After a search that has found none: the bytes of the budget that is too small, and the fewest with which a step
  /// fits.
  constexpr budget_bytes shortfall() const {
    if (limits_.activations)
      if (const std::size_t smallest = smallest_bytes(*all_); smallest > *limits_.activations)
        return {*limits_.activations, smallest};
    if (!limits_.rank) return {*limits_.activations, *limits_.activations};  // which `refuse` knows for a defect
    return {*limits_.rank, smallest_of_rank(*all_), true};
  }

  /// The smallest budget for which there is a plan, of activations.
  constexpr std::size_t smallest() {
    const plan all = planner_.make();
    find_candidates(all.live_bytes);
    require_choices();
    find_some_of_runs();
    return smallest_bytes(all);
  }

  /// What the grid gives, the fastest first; none where the solver has no part in it.
  constexpr const core::list<budget_candidate>& find_candidates(std::size_t save_all_bytes) {
    look_for_runs();
    if (is_solved()) candidates_ = budget_candidates(planner_, p_, request_, save_all_bytes);
    return candidates_;
  }

 private:
  /// The fastest that keeps all tensors in the arena, and computes less again than this; none where none fits.
  constexpr std::optional<plan> fastest_in_arena(const plan& all, double limit) {
    look_for_runs();
    std::optional<plan> of_runs = fastest_of_runs();
    const double again_of_runs = of_runs ? recomputation_cost(p_, *of_runs, request_.costs) : 0;
    if (of_runs && again_of_runs >= limit) of_runs.reset();
    if (of_runs && !is_solved()) return of_runs;
    find_candidates(all.live_bytes);
    for (const budget_candidate& each : candidates_) {
      if (each.again >= limit) break;
      if (of_runs && again_of_runs <= each.again) return of_runs;
      plan made = planner_.with_segments(each.ranges);
      planner_.write_tape(made);
      if (!made.covered.splits && !may_fit(live_maximum(made.steps))) continue;
      planner_.place(made);
      if (fits(made)) return made;
    }
    return of_runs;
  }
  /// One that takes less time with tensors on a disk, where there is one.
  void take_faster_on_disk(std::optional<plan>& found) const {
    const step_times times(p_, request_);
    double limit = found ? times.of(*found) : std::numeric_limits<double>::infinity();
    const auto may = [this](std::size_t activation_bytes) { return may_fit(activation_bytes); };
    const auto does = [this](const plan& made) { return fits(made); };
    const auto take = [&](std::optional<plan> faster) {
      if (!faster) return;
      limit = times.of(*faster);
      found = std::move(faster);
    };
    if (runs_->is_there())
      take(uniform_disk_search(planner_, p_, request_, *runs_, *all_, times)
               .fastest(limit, bytes_of_activations(), may, does));
    if (is_solved()) take(disk_search(planner_, p_, request_, times).fastest(limit, may, does));
  }
  /// The fewest bytes of those with tensors on a disk, as `bytes_of` says of a plan.
  template <class BytesOf>
  std::size_t smallest_on_disk(const plan& all, const BytesOf& bytes_of) const {
    const step_times times(p_, request_);
    std::size_t least = std::numeric_limits<std::size_t>::max();
    if (runs_->is_there()) least = uniform_disk_search(planner_, p_, request_, *runs_, all, times).smallest(bytes_of);
    if (is_solved()) least = std::min(least, disk_search(planner_, p_, request_, times).smallest(bytes_of));
    return least;
  }
  constexpr void look_for_runs() {
    if (runs_) return;
    runs_.emplace(planner_, p_, request_);
    longest_problem_ = budget_problems::longest_problem(p_, planner_.covered());
  }
  /// Whether the solver has a part in it: not in a program that is long, and long uniform runs for the most part, nor
  /// in one for which its tables would be too large.
  constexpr bool is_solved() const {
    const int all = planner_.covered().last - planner_.covered().first, others = all - runs_->operations();
    if (runs_->is_there() && all > most_solved_operations && others <= all / 8) return false;
    return longest_problem_ <= budget_problems::most_operations;
  }
  /// The fastest plan of the long uniform runs that fits.
  constexpr std::optional<plan> fastest_of_runs() const {
    if (!runs_->is_there()) return {};
    return runs_->fastest(
        bytes_of_activations(), [this](std::size_t activation_bytes) { return may_fit(activation_bytes); },
        [this](const plan& made) { return fits(made); });
  }
  /// Bytes that the limits leave for activations.
  constexpr std::size_t bytes_of_activations() const {
    std::size_t bytes = std::numeric_limits<std::size_t>::max();
    if (limits_.activations) bytes = *limits_.activations;
    if (limits_.rank) {
      const std::size_t others = rank_.least_with(0), rest = *limits_.rank > others ? *limits_.rank - others : 0;
      bytes = rest < bytes ? rest : bytes;
    }
    return bytes;
  }
  constexpr void find_some_of_runs() {
    if (!runs_->is_there()) return;
    const core::list<int> levels = runs_->some_levels();
    for (int k = levels.count(); k-- > 0;) candidates_.push_back({runs_->again(levels[k]), runs_->ranges(levels[k])});
  }

  constexpr bool may_fit(std::size_t activation_bytes) const {
    return (!limits_.activations || activation_bytes <= *limits_.activations) &&
           (!limits_.rank || rank_.least_with(activation_bytes) <= *limits_.rank);
  }
  constexpr bool fits(const plan& made) const {
    return may_fit(rank_.activations(made)) && (!limits_.rank || rank_.bytes_with(made) <= *limits_.rank);
  }

  /// Throws `error` where nothing but keeping everything was looked at.
  constexpr void require_choices() const {
    if (is_solved() || runs_->is_there()) return;
    throw error("a budget is planned over at most " + std::to_string(budget_problems::most_operations) +
                " operations of a model or a stage, those around the budget among them, unless it has a long uniform "
                "run, such as a `repeat`, and there are " +
                std::to_string(longest_problem_) + "; another policy is needed, such as square_root");
  }
  constexpr void refuse() const {
    const budget_bytes of = shortfall();
    if (of.smallest <= of.given) throw error("a plan within a budget was not found; this is a defect of remat");
    if (of.is_of_rank)
      require_rank_bytes(of.given, of.smallest, request_.batch, rank_.least_with(0));
    else
      require_bytes(of.given, of.smallest, request_.batch);
  }
  /// The last candidates take the least, as a rule; of the others few tapes could take less.
  constexpr std::size_t smallest_bytes(const plan& all) const {
    std::size_t least = rank_.activations(all);
    for (int k = candidates_.count(); k-- > 0;) {
      plan made = planner_.with_segments(candidates_[k].ranges);
      planner_.write_tape(made);
      if (!made.covered.splits && live_maximum(made.steps) >= least) continue;
      planner_.place(made);
      const std::size_t bytes = rank_.activations(made);
      least = bytes < least ? bytes : least;
    }
    if (may_leave_arena(p_)) {
      const std::size_t bytes = smallest_on_disk(all, [&](const plan& made) { return rank_.activations(made); });
      least = bytes < least ? bytes : least;
    }
    return least;
  }
  /// Of the plans that are within the limit of activations.
  constexpr std::size_t smallest_of_rank(const plan& all) const {
    std::size_t least = std::numeric_limits<std::size_t>::max();
    if (!limits_.activations || rank_.activations(all) <= *limits_.activations) least = rank_.bytes_with(all);
    for (const budget_candidate& each : candidates_) {
      const plan made = planner_.make(each.ranges);
      const std::size_t activations = rank_.activations(made);
      if (limits_.activations && activations > *limits_.activations) continue;
      if (rank_.least_with(activations) >= least) continue;
      const std::size_t bytes = rank_.bytes_with(made);
      least = bytes < least ? bytes : least;
    }
    if (may_leave_arena(p_)) {
      const std::size_t bytes = smallest_on_disk(all, [&](const plan& made) {
        return limits_.activations && rank_.activations(made) > *limits_.activations ? least : rank_.bytes_with(made);
      });
      least = bytes < least ? bytes : least;
    }
    return least;
  }

  const training_planner& planner_;
  const program& p_;
  const plan_request& request_;
  program_memory of_program_;
  const rank_memory& rank_;
  budget_limits limits_ = {};
  std::optional<plan> all_ = {};  ///< that keeps everything
  core::list<budget_candidate> candidates_ = {};
  std::optional<uniform_search> runs_ = {};
  int longest_problem_ = 0;
};

}  // namespace remat::detail
