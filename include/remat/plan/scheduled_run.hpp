// SPDX-License-Identifier: MIT
/// A long uniform run with its schedules: those that a closed form gives for each number of units of memory
/// (uniform_schedule.hpp).
#pragma once

#include <remat/plan/segment.hpp>
#include <remat/plan/training_planner.hpp>
#include <remat/plan/uniform_run.hpp>

#include <cstddef>
#include <optional>

namespace remat::detail {

class scheduled_run {
 public:
  /// Shorter runs are left to the solver, which divides memory finely enough for them.
  static constexpr int fewest_links = 13;
  /// How often all links are run again at most: a tape holds each time.
  static constexpr double most_repeats = 32, most_of_few_links = 100'000;

  constexpr scheduled_run() = default;
  constexpr scheduled_run(const training_planner& planner, const program& p, const plan_request& request,
                          const uniform_run& run)
      : run_(run), measured_(run_measure(p, run_, planner.needs(), request).measure()) {
    if (measured_.links.count == 0) return;
    if (planner.covered().splits) measured_.quantum *= static_cast<std::size_t>(planner.covered().in_flight);
    schedules_.emplace(measured_.links);
    const double all = most_repeats * run_.links, limit = all > most_of_few_links ? all : most_of_few_links;
    while (least_ < most() && !(again(least_) <= limit)) ++least_;
  }

  /// Whether it has schedules: backward reads something that its links make.
  constexpr bool is_there() const { return schedules_.has_value(); }
  constexpr const uniform_run& run() const { return run_; }
  constexpr const uniform_links& links() const { return measured_.links; }
  constexpr const uniform_schedules& schedules() const { return *schedules_; }
  /// The bytes of a unit.
  constexpr std::size_t quantum() const { return measured_.quantum; }
  /// What a link's forward pass costs.
  constexpr double link_cost() const { return measured_.cost; }
  /// The fewest units of a schedule, and those with which nothing is run again.
  constexpr int least() const { return least_; }
  constexpr int most() const { return schedules_->most_units(); }
  /// In links.
  constexpr double again(int units) const { return schedules_->again(units); }
  constexpr core::list<chosen_range> ranges(const core::list<chain_segment>& segments) const {
    core::list<chosen_range> made;
    for (const chain_segment& each : segments)
      made.push_back({run_.begin_of(static_cast<int>(each.first)), run_.begin_of(static_cast<int>(each.last)), {}});
    return made;
  }

 private:
  uniform_run run_ = {};
  measured_run measured_ = {};
  std::optional<uniform_schedules> schedules_ = {};
  int least_ = 0;
};

}  // namespace remat::detail
