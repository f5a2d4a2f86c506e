// SPDX-License-Identifier: MIT
/// The fastest plan of a long uniform run within some bytes, of the schedules that a closed form gives for each number
/// of units of memory (uniform_schedule.hpp). Operations outside of the run are kept.
///
/// Where the search begins is told by a plan that does not depend on the limit; from there on the number of units falls
/// until a plan, as it is placed, is within the bytes. So more bytes never take more time.
#pragma once

#include <remat/plan/segment.hpp>
#include <remat/plan/training_planner.hpp>
#include <remat/plan/uniform_run.hpp>

#include <cstddef>
#include <optional>

namespace remat::detail {

class uniform_search {
 public:
  /// Shorter runs are left to the solver, which divides memory finely enough for them.
  static constexpr int fewest_links = 13;
  /// How often all links are run again at most: a tape holds each time.
  static constexpr double most_repeats = 32, most_of_few_links = 100'000;

  constexpr uniform_search(const training_planner& planner, const program& p, const plan_request& request)
      : planner_(planner), run_(find_uniform_run(p, planner.covered())) {
    if (run_.links < fewest_links) return;
    const measured_run found = run_measure(p, run_, planner.needs(), request).measure();
    if (found.links.count == 0) return;
    links_ = found.links;
    quantum_ = found.quantum;
    if (planner.covered().splits) quantum_ *= static_cast<std::size_t>(planner.covered().in_flight);
    schedules_.emplace(found.links);
    const double all = most_repeats * run_.links, limit = all > most_of_few_links ? all : most_of_few_links;
    while (least_ < most() && !(again(least_) <= limit)) ++least_;
  }

  /// Whether there is a long run.
  constexpr bool is_there() const { return schedules_.has_value(); }
  constexpr const uniform_run& run() const { return run_; }
  constexpr const uniform_links& links() const { return links_; }
  constexpr const uniform_schedules& schedules() const { return *schedules_; }
  /// The fewest units of a schedule, and those with which nothing is run again.
  constexpr int least() const { return least_; }
  constexpr int most() const { return schedules_->most_units(); }
  /// In links.
  constexpr double again(int units) const { return schedules_->again(units); }
  constexpr core::list<chosen_range> ranges(int units) const { return ranges(schedules_->segments(units)); }
  constexpr core::list<chosen_range> ranges(const core::list<chain_segment>& segments) const {
    core::list<chosen_range> made;
    for (const chain_segment& each : segments)
      made.push_back({run_.begin_of(static_cast<int>(each.first)), run_.begin_of(static_cast<int>(each.last)), {}});
    return made;
  }
  /// A number that is probably too large of units that fit into about these bytes of activations.
  constexpr int units_within(std::size_t bytes) const {
    const std::size_t around = bytes_around_run();
    const std::size_t units = bytes > around ? (bytes - around) / quantum_ + 2 : 0;
    return units > static_cast<std::size_t>(most()) ? most() : static_cast<int>(units);
  }

  /// The fastest plan that fits, as it is placed, within about these bytes of activations; none where there is none.
  /// `may_fit` is asked about the bytes alive at once, `fits` about a plan.
  template <class MayFit, class Fits>
  constexpr std::optional<plan> fastest(std::size_t bytes, const MayFit& may_fit, const Fits& fits) const {
    const int units = units_within(bytes);
    int from = units < least_ + 2 ? least_ + 2 : units;
    if (from > most()) from = most();
    for (int m = from; m >= least_; --m) {
      if (m < from && again(m) <= again(m + 1)) continue;  // the same schedule
      plan made = planner_.with_segments(ranges(m));
      planner_.write_tape(made);
      if (!made.covered.splits && !may_fit(live_maximum(made.steps))) continue;
      planner_.place(made);
      if (fits(made)) return made;
    }
    return {};
  }
  /// Numbers of units, the smallest three among them, each a third more than the one before it.
  constexpr core::list<int> some_units() const {
    core::list<int> made;
    for (int m = least_; m < most(); m += m < least_ + 2 ? 1 : m / 3 + 1) made.push_back(m);
    return made;
  }

 private:
  /// About what a plan takes in addition to the units of the run.
  constexpr std::size_t bytes_around_run() const {
    const int units = least_ + 16 < most() ? least_ + 16 : most();
    const std::size_t all = bytes_in_flight(planner_.make(ranges(units))),
                      in_run = static_cast<std::size_t>(units) * quantum_;
    return all > in_run ? all - in_run : 0;
  }

  const training_planner& planner_;
  uniform_run run_;
  uniform_links links_ = {};
  std::size_t quantum_ = alignment;
  std::optional<uniform_schedules> schedules_ = {};
  int least_ = 0;
};

}  // namespace remat::detail
