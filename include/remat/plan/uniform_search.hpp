// SPDX-License-Identifier: MIT
/// The fastest plan of the long uniform runs of a program within some bytes. Operations outside of the runs are kept.
///
/// Each run has its schedules, one for each number of units of memory (scheduled_run.hpp). Of several runs, what all of
/// them keep is there when the last one begins to be reversed: units go to one after another, always to the run in which
/// the next ones save most time for their bytes, and the numbers of all together are the levels of the search. (What
/// the later runs no longer need is not used by those before them.) Of one run levels are its units.
///
/// Where the search begins is told by a plan that does not depend on the limit; from there on the level falls until a
/// plan, as it is placed, is within the bytes. So more bytes never take more time.
#pragma once

#include <remat/plan/scheduled_run.hpp>
#include <remat/plan/segment.hpp>
#include <remat/plan/training_planner.hpp>
#include <remat/plan/uniform_run.hpp>

#include <cstddef>
#include <optional>
#include <utility>

namespace remat::detail {

class uniform_search {
 public:
  constexpr uniform_search(const training_planner& planner, const program& p, const plan_request& request)
      : planner_(planner) {
    for (const uniform_run& each : find_uniform_runs(p, planner.covered(), scheduled_run::fewest_links))
      if (scheduled_run made(planner, p, request, each); made.is_there())
        runs_.push_back(static_cast<scheduled_run&&>(made));
    if (runs_.count() > 1) divide_units();
  }

  /// Whether there is a long run.
  constexpr bool is_there() const { return !runs_.empty(); }
  /// Whether there is exactly one.
  constexpr bool is_alone() const { return runs_.count() == 1; }
  constexpr const scheduled_run& longest() const { return runs_[0]; }
  /// In all runs.
  constexpr int operations() const {
    int sum = 0;
    for (const scheduled_run& each : runs_) sum += each.run().size();
    return sum;
  }
  /// The lowest level, and that with which nothing is run again.
  constexpr int least() const {
    return sum_of(runs_, [](const scheduled_run& each) { return each.least(); });
  }
  constexpr int most() const {
    return sum_of(runs_, [](const scheduled_run& each) { return each.most(); });
  }
  /// What links that run again cost, of one sample where costs are counted.
  constexpr double again(int level) const {
    const core::list<int> units = units_at(level);
    double sum = 0;
    for (int r = 0; r < runs_.count(); ++r) sum += runs_[r].again(units[r]) * runs_[r].link_cost();
    return sum;
  }
  constexpr core::list<chosen_range> ranges(int level) const {
    const core::list<int> units = units_at(level);
    core::list<chosen_range> made;
    for (const int r : in_order()) {
      const core::list<chosen_range> of_run = runs_[r].ranges(runs_[r].schedules().segments(units[r]));
      made.append(of_run.data(), of_run.data() + of_run.size());
    }
    return made;
  }
  /// A level that is probably too high for about these bytes of activations.
  constexpr int level_within(std::size_t bytes) const {
    if (is_alone()) return units_of_longest_within(bytes);
    const int some = least() + 16 < most() ? least() + 16 : most();
    const std::size_t around = bytes_around(ranges(some), bytes_at(some));
    std::size_t rest = bytes > around ? bytes - around : 0;
    const std::size_t at_least = bytes_at(least());
    rest = rest > at_least ? rest - at_least : 0;
    int level = least();
    for (const int r : next_) {
      const std::size_t unit = runs_[r].quantum();
      if (rest < unit) break;
      rest -= unit;
      ++level;
    }
    return level + 2 < most() ? level + 2 : most();
  }

  /// A number of units of the longest run that is probably too large for about these bytes, where the others are kept.
  constexpr int units_of_longest_within(std::size_t bytes) const {
    const scheduled_run& run = longest();
    const int some = run.least() + 16 < run.most() ? run.least() + 16 : run.most();
    const std::size_t around =
        bytes_around(run.ranges(run.schedules().segments(some)), static_cast<std::size_t>(some) * run.quantum());
    const std::size_t units = bytes > around ? (bytes - around) / run.quantum() + 2 : 0;
    return units > static_cast<std::size_t>(run.most()) ? run.most() : static_cast<int>(units);
  }

  /// The fastest plan that fits, as it is placed, within about these bytes of activations; none where there is none.
  /// `may_fit` is asked about the bytes alive at once, `fits` about a plan.
  template <class MayFit, class Fits>
  constexpr std::optional<plan> fastest(std::size_t bytes, const MayFit& may_fit, const Fits& fits) const {
    const int within = level_within(bytes);
    int from = within < least() + 2 ? least() + 2 : within;
    if (from > most()) from = most();
    core::list<chosen_range> before;
    for (int level = from; level >= least(); --level) {
      core::list<chosen_range> here = ranges(level);
      if (level < from && are_same(here, before)) continue;
      plan made = planner_.with_segments(here);
      before = static_cast<core::list<chosen_range>&&>(here);
      planner_.write_tape(made);
      if (!made.covered.splits && !may_fit(live_maximum(made.steps))) continue;
      planner_.place(made);
      if (fits(made)) return made;
    }
    return {};
  }
  /// Levels, the lowest three among them, each a third higher than the one before it.
  constexpr core::list<int> some_levels() const {
    core::list<int> made;
    for (int level = least(); level < most(); level += level < least() + 2 ? 1 : level / 3 + 1) made.push_back(level);
    return made;
  }

 private:
  template <class Of>
  static constexpr int sum_of(const core::list<scheduled_run>& runs, const Of& of) {
    int sum = 0;
    for (const scheduled_run& each : runs) sum += of(each);
    return sum;
  }
  /// Of each run.
  constexpr core::list<int> units_at(int level) const {
    core::list<int> units;
    if (is_alone()) {
      units.push_back(level);
      return units;
    }
    for (const scheduled_run& each : runs_) units.push_back(each.least());
    for (int k = 0; k < level - least(); ++k) ++units[next_[k]];
    return units;
  }
  static constexpr bool are_same(const core::list<chosen_range>& a, const core::list<chosen_range>& b) {
    if (a.size() != b.size()) return false;
    for (std::size_t k = 0; k < a.size(); ++k)
      if (a[k].first != b[k].first || a[k].last != b[k].last) return false;
    return true;
  }
  constexpr std::size_t bytes_at(int level) const {
    const core::list<int> units = units_at(level);
    std::size_t sum = 0;
    for (int r = 0; r < runs_.count(); ++r) sum += static_cast<std::size_t>(units[r]) * runs_[r].quantum();
    return sum;
  }
  /// The numbers of the runs as they are in the program.
  constexpr core::list<int> in_order() const {
    core::list<int> order;
    for (int r = 0; r < runs_.count(); ++r) {
      order.push_back(r);
      for (int at = r; at > 0 && runs_[order[at]].run().first < runs_[order[at - 1]].run().first; --at)
        std::swap(order[at], order[at - 1]);
    }
    return order;
  }

  /// A stretch of a run's units, and the time that it saves.
  struct stretch {
    int units = 0;
    double saved = 0;  ///< for each byte
  };
  /// The convex hull of what is run again in each number of units: each stretch saves less for a byte than the one
  /// before.
  static constexpr core::list<stretch> stretches_of(const scheduled_run& run) {
    core::list<int> corners;
    const auto saved = [&](int from, int to) {
      return (run.again(from) - run.again(to)) * run.link_cost() /
             (static_cast<double>(to - from) * static_cast<double>(run.quantum()));
    };
    for (int units = run.least(); units <= run.most(); ++units) {
      while (corners.count() > 1 && saved(corners[corners.count() - 2], corners.back()) <= saved(corners.back(), units))
        corners.pop_back();
      corners.push_back(units);
    }
    core::list<stretch> made;
    for (int k = 1; k < corners.count(); ++k)
      made.push_back({corners[k] - corners[k - 1], saved(corners[k - 1], corners[k])});
    return made;
  }
  constexpr void divide_units() {
    core::list<core::list<stretch>> all;
    for (const scheduled_run& each : runs_) all.push_back(stretches_of(each));
    core::list<int> at(runs_.size());
    next_.reserve(static_cast<std::size_t>(most() - least()));
    for (;;) {
      int best = core::none;
      for (int r = 0; r < runs_.count(); ++r) {
        if (at[r] == all[r].count()) continue;
        if (best == core::none || all[r][at[r]].saved > all[best][at[best]].saved) best = r;
      }
      if (best == core::none) return;
      for (int k = 0; k < all[best][at[best]].units; ++k) next_.push_back(best);
      ++at[best];
    }
  }

  /// What the plan of some ranges takes in addition to the units of runs.
  constexpr std::size_t bytes_around(const core::list<chosen_range>& chosen, std::size_t in_runs) const {
    const std::size_t all = bytes_in_flight(planner_.make(chosen));
    return all > in_runs ? all - in_runs : 0;
  }

  const training_planner& planner_;
  core::list<scheduled_run> runs_ = {};  // the longest first
  core::list<int> next_ = {};            // of several runs, that whose units grow by one from each level to the next
};

}  // namespace remat::detail
