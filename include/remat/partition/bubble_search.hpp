// SPDX-License-Identifier: MIT
/// Recomputation in the bubble: what the budgets of a pipeline's stages compute again in each micro-batch, so that the step
/// is short, and not the recomputation itself.
///
/// A stage waits where the gradient of its micro-batch is still being made. What it computes again before it needs that
/// gradient takes no time there (as in AdaPipe, Sun et al. 2024, and Lynx, 2024). So a budget of bytes chooses among the ways of
/// bubble_ways.hpp by the simulated step:
///
///     1. each stage alone takes the fastest way that fits in its bytes while the others keep everything;
///     2. stage after stage, again, while the others do what they do, until nothing changes;
///     3. of each stage, single micro-batches whose recomputation is not hidden keep more, where bytes are left, maybe since
///        the others keep less.
///
/// The step is never longer than with what each stage would choose without the others, as the simulator has it, with messages
/// that take no time. Bytes are those that the rank lays out with these micro-batches. All ranks find the same.
#pragma once

#include <remat/partition/bubble_ways.hpp>
#include <remat/partition/simulated_runs.hpp>
#include <remat/partition/stage_choices.hpp>
#include <remat/partition/stage_memory.hpp>
#include <remat/partition/stage_plans.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <limits>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace remat {

namespace detail {

class bubble_search {
 public:
  /// Tasks that are simulated, at most, and for each stage at least a few steps: where these are more, nothing is chosen.
  static constexpr double most_tasks = 3e6;

  bubble_search(const program& p, const schedule_table& table, const microbatch_sizes& sizes, const plan_terms& terms)
      : p_(p),
        table_(table),
        sizes_(sizes),
        terms_(terms),
        positions_(table),
        covered_(table, positions_),
        costs_(terms.costs ? *terms.costs : counted_costs(p, sizes.samples)) {}

  std::vector<stage_choices> run() {
    std::vector<stage_choices> made(static_cast<std::size_t>(table_.stages));
    int budgets = 0;
    for (int s = 0; s < table_.stages; ++s) budgets += may_choose(s) ? 1 : 0;
    const double tasks = 2.0 * table_.stages * table_.microbatches;
    if (budgets == 0 || table_.stages == 1) return made;
    most_ways_ = static_cast<int>(std::min(400.0, most_tasks / (tasks * budgets)));
    if (most_ways_ < 16) return made;
    timetable_.emplace(p_, table_, true);
    std::vector<stage_cost> kept;
    for (int s = 0; s < table_.stages; ++s) kept.push_back(add_stage(s));
    runs_.emplace(table_, positions_, *timetable_, kept);
    choose();
    for (const std::unique_ptr<stage>& each : stages_) write(*each, made[static_cast<std::size_t>(each->number)]);
    return made;
  }

 private:
  struct stage {
    int number = 0;
    std::size_t limit = 0;
    std::unique_ptr<bubble_ways> ways = {};
    std::vector<int> taken = {};  // of each micro-batch, the way
  };

  /// Whether a stage's budget looks at the pipeline: it is one of activations, and its micro-batches run the same passes.
  bool may_choose(int s) const {
    const plan_request request = terms_.request(sizes_.samples, covered_(p_, s, 0));
    if (!has_budget(p_, request) || limits_of(p_, request, 0).rank) return false;
    for (int m = 1; m < table_.microbatches; ++m)
      if (positions_.halves_backward(s, m) != positions_.halves_backward(s, 0)) return false;
    return true;
  }

  /// Prepares a stage; returns what it costs where its budgets keep everything.
  stage_cost add_stage(int s) {
    const slice covered = covered_(p_, s, 0);
    stage_planner planner(p_, table_, positions_);
    std::optional<plan> base;
    try {
      base = planner(terms_, sizes_.samples + (sizes_.larger > 0 ? 1 : 0), covered);
    } catch (const error&) {  // too few bytes: whoever plans the stage to run it says so
    }
    if (!base || !may_choose(s)) {
      const plan_request request = terms_.request(sizes_.samples, covered);
      const training_planner plain(p_, request);
      return cost_of_stage(base ? *base : plain.make(), costs_).first;
    }
    stage& made = *stages_.emplace_back(std::make_unique<stage>());
    made.number = s;
    made.ways = std::make_unique<bubble_ways>(p_, terms_, sizes_.samples, covered, *base, costs_, most_ways_);
    made.taken.assign(static_cast<std::size_t>(table_.microbatches), bubble_ways::keeps_all());
    made.limit =
        *limits_of(p_, made.ways->request(), bytes(made, sizes_.larger > 0 ? table_.microbatches : 0)).activations;
    if (!fits(made)) take(made, made.ways->base());
    return (*made.ways)[bubble_ways::keeps_all()].cost;
  }

  /// Of the rank with the ways that the stage has taken, where the first micro-batches are the larger ones.
  std::size_t bytes(const stage& s, int larger) const {
    std::vector<const plan*> plans;
    for (int m = 0; m < table_.microbatches; ++m)
      plans.push_back(&s.ways->planned(s.taken[static_cast<std::size_t>(m)], m < larger));
    const std::array one{laid_out_stage{s.number, std::move(plans)}};
    return rank_layout(table_, positions_.rank_of(s.number), positions_, timetable_->messages, timetable_->times, one)
        .bytes();
  }
  bool fits(const stage& s) const { return bytes(s, sizes_.larger) <= s.limit; }
  static void take(stage& s, int way) { std::ranges::fill(s.taken, way); }

  /// Tells the simulator what a stage does.
  void tell(const stage& s) {
    runs_->set(s.number, (*s.ways)[s.taken[0]].cost);
    for (int m = 1; m < table_.microbatches; ++m)
      if (s.taken[static_cast<std::size_t>(m)] != s.taken[0])
        runs_->set(s.number, m, (*s.ways)[s.taken[static_cast<std::size_t>(m)]].cost);
  }

  void choose() {
    const step_length none = runs_->run();  // nobody computes anything again
    std::vector<std::vector<int>> base, alone;
    for (const std::unique_ptr<stage>& s : stages_) base.push_back(s->taken);
    for (const std::unique_ptr<stage>& s : stages_) {
      if (s->taken[0] != bubble_ways::keeps_all()) choose_uniform(*s);
      alone.push_back(s->taken);
      runs_->set(s->number, (*s->ways)[bubble_ways::keeps_all()].cost);
    }
    const step_length of_base = length_of(base), of_alone = length_of(alone);
    step_length now = of_base.is_below(of_alone) ? length_of(base) : of_alone;
    for (int round = 0; round < 3 && none.seconds < now.seconds; ++round) {
      const step_length before = now;
      for (const std::unique_ptr<stage>& s : stages_)
        if (s->taken[0] != bubble_ways::keeps_all()) now = choose_uniform(*s);
      if (!now.is_below(before)) break;
    }
    for (const std::unique_ptr<stage>& s : stages_)
      if (s->taken[0] != bubble_ways::keeps_all()) mix(*s);
  }
  step_length length_of(const std::vector<std::vector<int>>& taken) {
    for (std::size_t k = 0; k < stages_.size(); ++k) {
      stages_[k]->taken = taken[k];
      tell(*stages_[k]);
    }
    return runs_->run();
  }

  /// The way that is best in all micro-batches of a stage, while the others do what they do.
  step_length choose_uniform(stage& s) {
    struct option {
      std::array<long long, 3> length;
      int way;
    };
    const std::vector<int> before = s.taken;
    tell(s);
    const step_length as_before = runs_->run();
    std::vector<option> options;
    for (int w = 0; w < s.ways->count(); ++w) {
      runs_->set(s.number, (*s.ways)[w].cost);
      const step_length here = runs_->run();
      if (here.is_below(as_before)) options.push_back({here.in_units_of(1e-9 * as_before.seconds), w});
    }
    std::ranges::sort(options, {}, [](const option& each) { return std::pair(each.length, each.way); });
    for (const option& each : options) {
      take(s, each.way);
      if (!fits(s)) continue;
      tell(s);
      return runs_->run();
    }
    s.taken = before;
    tell(s);
    return as_before;
  }

  /// Ways for some micro-batches, evenly spaced in time.
  std::vector<int> some_ways(const stage& s, double from, double to) const {
    constexpr std::size_t most = 6;
    std::vector<int> between;
    for (int w = 0; w < s.ways->count(); ++w)
      if ((*s.ways)[w].seconds() >= from && (*s.ways)[w].seconds() <= to) between.push_back(w);
    std::ranges::sort(between, {}, [&](int w) { return std::pair((*s.ways)[w].seconds(), w); });
    std::vector<int> found;
    for (std::size_t k = 0; k < std::min(most, between.size()); ++k)
      found.push_back(between[k * between.size() / std::min(most, between.size())]);
    return found;
  }

  /// Lets single micro-batches keep more than the others.
  void mix(stage& s) {
    tell(s);
    std::vector<int> best = s.taken;
    step_length shortest = runs_->run();
    const double own = (*s.ways)[s.taken[0]].seconds();
    std::vector<int> starts{s.taken[0]};
    for (const int w : some_ways(s, own, std::numeric_limits<double>::max())) starts.push_back(w);
    const double each = 2.0 * table_.stages * table_.microbatches * table_.microbatches * 6;
    double left = 2 * most_tasks / static_cast<double>(stages_.size());
    for (const int start : starts) {
      if ((left -= each) < 0) break;
      take(s, start);
      if (!fits(s)) continue;
      tell(s);
      const step_length mixed = keep_more(s, (*s.ways)[start].seconds());
      if (!mixed.is_below(shortest)) continue;
      shortest = mixed;
      best = s.taken;
    }
    s.taken = best;
    tell(s);
  }
  step_length keep_more(stage& s, double seconds) {
    step_length now = runs_->run();
    for (const int w : some_ways(s, 0, seconds))
      for (int m = 0; m < table_.microbatches; ++m) {
        const int before = s.taken[static_cast<std::size_t>(m)];
        if ((*s.ways)[before].seconds() <= (*s.ways)[w].seconds()) continue;
        runs_->set(s.number, m, (*s.ways)[w].cost);
        const step_length here = runs_->run();
        s.taken[static_cast<std::size_t>(m)] = w;
        if (here.is_below(now) && fits(s)) {
          now = here;
          continue;
        }
        s.taken[static_cast<std::size_t>(m)] = before;
        runs_->set(s.number, m, (*s.ways)[before].cost);
      }
    return now;
  }

  static void write(const stage& s, stage_choices& to) {
    std::vector<int> numbers;
    for (const int w : s.taken) {
      const auto at = std::ranges::find(numbers, w);
      to.of_microbatch.push_back(static_cast<int>(at - numbers.begin()));
      if (at != numbers.end()) continue;
      numbers.push_back(w);
      to.ways.push_back((*s.ways)[w].choice);
    }
  }

  const program& p_;
  const schedule_table& table_;
  microbatch_sizes sizes_;
  const plan_terms& terms_;
  task_positions positions_;
  training_slices covered_;
  operation_costs costs_;
  int most_ways_ = 0;
  std::optional<pipeline_timetable> timetable_ = {};
  std::optional<simulated_runs> runs_ = {};
  std::vector<std::unique_ptr<stage>> stages_ = {};  // those that choose
};

}  // namespace detail

/// What the budgets of all stages compute again in a training step of the fused program with its stages. A stage whose budget is
/// too small chooses nothing here, and neither do those that may use a disk.
inline std::vector<stage_choices> choose_in_bubbles(const program& p, const schedule_table& table,
                                                    const microbatch_sizes& sizes, const plan_terms& terms) {
  if (!terms.recomputes_in_bubbles || detail::may_leave_arena(p))
    return std::vector<stage_choices>(static_cast<std::size_t>(table.stages));
  return detail::bubble_search(p, table, sizes, terms).run();
}

}  // namespace remat
