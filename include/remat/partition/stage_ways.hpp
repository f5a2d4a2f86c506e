// SPDX-License-Identifier: MIT
/// The ways in which a stage may run a micro-batch: what its budgets compute again, what that costs, and the plans.
#pragma once

#include <remat/partition/stage_choices.hpp>
#include <remat/partition/stage_costs.hpp>
#include <remat/partition/stage_plans.hpp>
#include <remat/plan/budget_grid.hpp>
#include <remat/plan/budget_limits.hpp>
#include <remat/plan/plan.hpp>
#include <remat/plan/plan_terms.hpp>

#include <array>
#include <cstddef>
#include <deque>
#include <memory>
#include <utility>
#include <vector>

namespace remat::detail {

class stage_ways {
 public:
  /// Of micro-batches, which differ in size and in their backward pass.
  static constexpr std::size_t most_kinds = 4;

  struct way {
    budget_choice choice;
    stage_cost cost = {};
    std::array<std::unique_ptr<const plan>, most_kinds> plans =
        {};  // once they are needed, of each kind of micro-batch

    /// Of a micro-batch, where nothing of it is hidden.
    double seconds() const { return cost.recompute + cost.backward + cost.backward_parameters; }
  };

  /// All of them must outlive it; p is the fused program with its stages. The first way is to keep everything.
  stage_ways(const program& p, const plan_terms& terms, const microbatch_sizes& sizes, const training_slices& covered,
             const task_positions& positions, const operation_costs& costs, int stage)
      : p_(&p),
        terms_(&terms),
        sizes_(sizes),
        covered_(&covered),
        positions_(&positions),
        costs_(&costs),
        stage_(stage),
        usual_(&kind_of(sizes.larger)) {
    has_budget_ = remat::has_budget(p, usual_->request);
    add({});
  }
  stage_ways(const stage_ways&) = delete;
  stage_ways& operator=(const stage_ways&) = delete;

  int number() const { return stage_; }
  bool has_budget() const { return has_budget_; }
  int count() const { return static_cast<int>(ways_.size()); }
  static constexpr int keeps_all() { return 0; }
  /// It stays where it is while others are added.
  const way& operator[](int w) const { return ways_[static_cast<std::size_t>(w)]; }
  /// Of a micro-batch of the step. The plan stays where it is.
  const plan& planned(int w, int microbatch) {
    way& taken = ways_[static_cast<std::size_t>(w)];
    std::unique_ptr<const plan>& made = taken.plans[number_of_kind(microbatch)];
    if (!made) made = std::make_unique<const plan>(make(taken.choice, microbatch));
    return *made;
  }
  /// Of a choice that need not be among them.
  plan make(const budget_choice& choice, int microbatch) {
    return kind_of(microbatch).planner.make(choice.ranges, choice.ahead, choice.on_disk);
  }
  /// Of micro-batches: whether they are of the larger size, and whether their backward pass is halved.
  std::size_t number_of_kind(int microbatch) const {
    return (positions_->halves_backward(stage_, microbatch) ? 2u : 0u) + (microbatch < sizes_.larger ? 1u : 0u);
  }
  /// Adds one; returns its number.
  int add(budget_choice choice) {
    plan made = planner().with_segments(choice.ranges);
    made.on_disk = choice.on_disk;
    planner().write_tape(made, choice.ahead);
    way& added = ways_.emplace_back();
    const auto [cost, recomputed] = cost_of_stage(made, *costs_);
    if (choice.on_disk.tensors.empty()) choice.again = recomputed;
    added.choice = std::move(choice);
    added.cost = cost;
    return count() - 1;
  }

  /// What is asked for a micro-batch.
  const plan_request& request_of(int microbatch) { return kind_of(microbatch).request; }
  /// The same of micro-batches of the usual size, and who plans it.
  const plan_request& request() const { return usual_->request; }
  const training_planner& planner() const { return usual_->planner; }
  /// All that the stage's budgets may choose, whatever their bytes.
  const std::vector<budget_choice>& grid() {
    if (grid_.empty()) grid_ = budget_grid(planner(), *p_, request());
    return grid_;
  }

 private:
  struct kind {
    plan_request request;
    training_planner planner;

    kind(const program& p, const plan_request& asked) : request(asked), planner(p, request) {}
    kind(const kind&) = delete;
    kind& operator=(const kind&) = delete;
  };
  const kind& kind_of(int microbatch) {
    std::unique_ptr<kind>& found = kinds_[number_of_kind(microbatch)];
    if (!found) {
      const std::size_t samples = sizes_.samples + (microbatch < sizes_.larger ? 1 : 0);
      found = std::make_unique<kind>(*p_, terms_->request(samples, (*covered_)(*p_, stage_, microbatch)));
    }
    return *found;
  }

  const program* p_;
  const plan_terms* terms_;
  microbatch_sizes sizes_;
  const training_slices* covered_;
  const task_positions* positions_;
  const operation_costs* costs_;
  int stage_;
  std::array<std::unique_ptr<kind>, most_kinds> kinds_ = {};
  const kind* usual_;
  bool has_budget_ = false;
  std::deque<way> ways_ = {};
  std::vector<budget_choice> grid_ = {};
};

}  // namespace remat::detail
