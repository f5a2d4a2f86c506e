// SPDX-License-Identifier: MIT
/// A rank of a pipeline whose stages have budgets: what each of its micro-batches does, and whether all of it is within
/// the bytes, of activations or of the whole rank. The bytes are the rank's: stages that are on it together share them.
#pragma once

#include <remat/partition/rank_holdings.hpp>
#include <remat/partition/shared_budget.hpp>
#include <remat/partition/stage_memory.hpp>
#include <remat/partition/stage_ways.hpp>
#include <remat/plan/budget_bytes.hpp>
#include <remat/plan/budget_limits.hpp>

#include <algorithm>
#include <cstddef>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace remat::detail {

class budgeted_rank {
 public:
  /// All of them must outlive it.
  budgeted_rank(const program& p, const schedule_table& table, const task_positions& positions,
                const pipeline_timetable& timetable, const training_slices& covered, const microbatch_sizes& sizes,
                const plan_terms& terms, const operation_costs& costs, int rank, const rank_arena& arena)
      : p_(&p),
        microbatches_(table.microbatches),
        sizes_(sizes),
        holdings_(p, table, positions, timetable, rank, arena) {
    for (int s = 0; s < table.stages; ++s) {
      if (positions.rank_of(s) != rank) continue;
      stages_.push_back(std::make_unique<stage_ways>(p, terms, sizes, covered, positions, costs, s));
      taken_.emplace_back(static_cast<std::size_t>(microbatches_), stage_ways::keeps_all());
    }
  }

  bool has_budget() const {
    return std::ranges::any_of(stages_, [](const auto& each) { return each->has_budget(); });
  }
  std::size_t size() const { return stages_.size(); }
  stage_ways& stage(std::size_t s) const { return *stages_[s]; }
  /// The ways that the micro-batches of its stage number s take.
  std::vector<int>& taken(std::size_t s) { return taken_[s]; }
  const std::vector<int>& taken(std::size_t s) const { return taken_[s]; }
  void take(std::size_t s, int way) { std::ranges::fill(taken_[s], way); }
  /// Whether the rank has more to choose than to keep everything, which takes too much.
  bool is_short_of_bytes() const { return is_short_; }

  /// Lets the stages take what their budgets choose where they do not look at other ranks. Throws `error` where nothing
  /// fits: they keep everything then.
  void choose_alone() {
    find_limits();
    if (!has_budget() || fits()) return;
    if (stages_.size() == 1) choose_of_one();
    if (!fits()) choose_together();
    is_short_ = true;
  }
  /// Whether all that is taken is within the budgets' bytes.
  bool fits() const {
    const std::vector<laid_out_stage> all = plans();
    const std::size_t activations = holdings_.activations(all);
    return may_fit(activations) && (!limits_.rank || holdings_.bytes_with(activations, all) <= *limits_.rank);
  }

 private:
  std::vector<laid_out_stage> plans() const {
    std::vector<laid_out_stage> all;
    for (std::size_t s = 0; s < stages_.size(); ++s) all.push_back(plans_of(s, taken_[s]));
    return all;
  }
  laid_out_stage plans_of(std::size_t s, const std::vector<int>& ways) const {
    laid_out_stage here{stages_[s]->number(), {}};
    for (int m = 0; m < microbatches_; ++m)
      here.plans.push_back(&stages_[s]->planned(ways[static_cast<std::size_t>(m)], m));
    return here;
  }
  void find_limits() {
    const std::size_t everything = holdings_.activations(plans());
    limits_ = {};
    const auto lower = [](std::optional<std::size_t>& limit, const std::optional<std::size_t>& other) {
      if (other && (!limit || *other < *limit)) limit = other;
    };
    for (const auto& each : stages_) {
      if (!each->has_budget()) continue;
      const budget_limits own = limits_of(*p_, each->request(), everything);
      lower(limits_.activations, own.activations);
      lower(limits_.rank, own.rank);
    }
  }
  bool may_fit(std::size_t activations) const {
    return (!limits_.activations || activations <= *limits_.activations) &&
           (!limits_.rank || holdings_.least_with(activations) <= *limits_.rank);
  }

  /// Of the rank's only stage, in which all micro-batches do the same.
  void choose_of_one() {
    stage_ways& only = *stages_[0];
    const stage_memory rank(holdings_, only, microbatches_);
    plan_request request = only.request_of(0);
    request.rank = &rank;
    const plan made = plan_training(*p_, request);
    take(0, only.add({0, chosen_in(made), 0, made.on_disk}));
  }
  void choose_together() {
    const auto take_all = [this](const std::vector<int>& ways) {
      for (std::size_t s = 0; s < stages_.size(); ++s) take(s, ways[s]);
    };
    const shared_budget shared(stages_, [this](std::size_t s, int way) {
      const laid_out_stage alone = plans_of(s, std::vector<int>(static_cast<std::size_t>(microbatches_), way));
      return holdings_.layout({&alone, 1});
    });
    const std::vector<int> found = shared.fastest([this](std::size_t live) { return may_fit(live); },
                                                  [&](const std::vector<int>& ways) {
                                                    take_all(ways);
                                                    return fits();
                                                  });
    if (!found.empty()) return;
    const auto activations_of = [&](const std::vector<int>& ways) {
      take_all(ways);
      return holdings_.activations(plans());
    };
    const std::size_t least = shared.smallest([](std::size_t live) { return live; }, activations_of);
    std::size_t of_rank = 0;
    if (!limits_.activations || least <= *limits_.activations)
      of_rank = shared.smallest([this](std::size_t live) { return holdings_.least_with(live); },
                                [&](const std::vector<int>& ways) {
                                  const std::size_t activations = activations_of(ways);
                                  return limits_.activations && activations > *limits_.activations
                                             ? std::numeric_limits<std::size_t>::max()
                                             : holdings_.bytes_with(activations, plans());
                                });
    take_all(std::vector<int>(stages_.size(), stage_ways::keeps_all()));
    refuse(least, of_rank);
  }
  void refuse(std::size_t least, std::size_t of_rank) const {
    std::string where = " on a rank with the stages ";
    for (std::size_t s = 0; s < stages_.size(); ++s)
      where += (s == 0 ? "" : s + 1 < stages_.size() ? ", " : " and ") + std::to_string(stages_[s]->number());
    const std::size_t batch = sizes_.samples + (sizes_.larger > 0 ? 1 : 0);
    if (limits_.activations) require_bytes(*limits_.activations, least, batch, where.c_str());
    if (limits_.rank) require_rank_bytes(*limits_.rank, of_rank, batch, holdings_.least_with(0), where.c_str());
  }

  const program* p_;
  int microbatches_;
  microbatch_sizes sizes_;
  rank_holdings holdings_;
  std::vector<std::unique_ptr<stage_ways>> stages_ = {};
  std::vector<std::vector<int>> taken_ = {};  // of each stage and micro-batch
  budget_limits limits_ = {};
  bool is_short_ = false;
};

}  // namespace remat::detail
