// SPDX-License-Identifier: MIT
/// The fastest plan of a long uniform run that may use a disk, of the schedules of a closed form
/// (uniform_disk_schedule.hpp).
///
/// Two kinds are looked at. In the first the step waits for each transfer, so that its time is what the closed form
/// says: the number of units of memory falls until a plan, as it is placed, is within the bytes. In the second
/// transfers go on next to operations, for as long as they take. Then a step takes at least
///
///     max(forward, written) + max(backward + computed again, read)
///
/// and for each of a grid of numbers of units that does not depend on the bytes, the price of a transfer is taken whose
/// schedule makes this least. Of all these the fastest is taken as its tape says it; so more bytes never take more
/// time.
#pragma once

#include <remat/plan/disk_price_grid.hpp>
#include <remat/plan/training_planner.hpp>
#include <remat/plan/transfer_times.hpp>
#include <remat/plan/uniform_disk_schedule.hpp>
#include <remat/plan/uniform_search.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

namespace remat::detail {

class uniform_disk_search {
 public:
  /// Of the longest run, with the others kept. `all`: the plan that keeps everything in memory.
  uniform_disk_search(const training_planner& planner, const program& p, const plan_request& request,
                      const uniform_search& search, const plan& all, const step_times& times)
      : planner_(planner),
        p_(p),
        search_(search),
        run_(search.longest()),
        times_(times),
        moving_(moving_times(p, request, planner.covered(), times.second())),
        is_serial_(waits_for_each_transfer(p)),
        schedules_(run_.schedules(), run_.links()) {
    find_links(all);
  }

  /// The fastest that fits and takes less than `limit`, within about these bytes of activations; none where there is
  /// none. `may_fit` is asked about the bytes alive at once, `fits` about a plan.
  template <class MayFit, class Fits>
  std::optional<plan> fastest(double limit, std::size_t bytes, const MayFit& may_fit, const Fits& fits) const {
    std::optional<plan> best;
    const auto take = [&](const choice& tried) {
      plan made = written(tried);
      const double time = times_.of(made);
      if (time >= limit || (!made.covered.splits && !may_fit(live_maximum(made.steps)))) return false;
      planner_.place(made);
      if (!fits(made)) return false;
      best = std::move(made);
      limit = time;
      return true;
    };
    if (!can_move()) return best;
    const int most = search_.units_of_longest_within(bytes);
    double before = -1;
    for (int units = most; units >= 0; --units) {
      const choice serial = cheapest_serial(units);
      if (!serial.is_possible() || serial.least >= limit) break;
      if (serial.least == before && fastest_link_ > 0) continue;  // the same schedule
      before = serial.least;
      if (take(serial)) break;
    }
    if (is_serial_) return best;
    std::vector<choice> others;
    for (int units = 0; units <= most; units = after(units)) others.push_back(fastest_next_to_operations(units));
    std::ranges::sort(others, {}, [](const choice& each) { return std::pair(each.least, -each.units); });
    for (const choice& each : others) {
      if (each.least * (1 + 1e-12) >= limit) break;  // but for the order of sums
      take(each);
    }
    return best;
  }

  /// The fewest bytes that any takes, as `bytes_of` says of a plan.
  template <class BytesOf>
  std::size_t smallest(const BytesOf& bytes_of) const {
    std::size_t least = std::numeric_limits<std::size_t>::max();
    if (!can_move()) return least;
    for (int units = 0; units <= 2; ++units) {
      const choice tried = cheapest_serial(units);
      if (!tried.is_possible()) continue;
      plan made = written(tried);
      planner_.place(made);
      least = std::min(least, bytes_of(made));
    }
    return least;
  }

 private:
  struct choice {
    uniform_split split;
    int units = 0;
    bool waits = false;  ///< for each transfer
    double least = 0;    ///< a step takes at least this long

    bool is_possible() const { return std::isfinite(split.again); }
  };
  /// Of a link, a tensor: that an operation takes, makes or saves.
  struct place {
    int operation = 0, slot = 0;
    bool is_input = false, is_saved = false;
  };

  /// Numbers of units: all up to 8, then two for each doubling.
  static int after(int units) {
    return units < 8 ? units + 1 : static_cast<int>(std::ceil(static_cast<double>(units) * 1.41));
  }
  bool can_move() const { return link_ > 0 && (state_.is_possible() || tape_.is_possible()); }
  int tensor(int link, const place& at) const {
    const operation& o = p_.operations[run_.run().begin_of(link) + at.operation];
    return (at.is_input ? o.inputs : at.is_saved ? o.saved : o.outputs).values[at.slot];
  }
  bool may_move(int t) const { return moving_[static_cast<std::size_t>(t)].is_possible(); }

  /// What links in the middle of the run say of all.
  void find_links(const plan& all) {
    const uniform_run& run = run_.run();
    const int middle = run.links / 2, begin = run.begin_of(middle), end = run.begin_of(middle + 1);
    const auto add = [&](std::vector<place>& some, const place& at, moving_time& sum) {
      const int t = tensor(middle, at);
      if (moving_.empty() || !may_move(t)) {
        some_stay_ = true;
        return;
      }
      for (const place& each : some)
        if (tensor(middle, each) == t) return;
      some.push_back(at);
      const moving_time& here = moving_[static_cast<std::size_t>(t)];
      sum = {std::max(sum.write, 0.0) + here.write, std::max(sum.read, 0.0) + here.read};
    };
    std::vector<char> is_read(p_.tensors.size());
    for (int i = begin; i < run.begin_of(std::min(middle + 2, run.links)); ++i)
      each_read(p_.operations[i], planner_.needs()[i], [&](int t) { is_read[static_cast<std::size_t>(t)] = 1; });
    for (int i = begin; i < end; ++i) {
      const operation& o = p_.operations[i];
      for (int k = 0; k < o.inputs.size; ++k)
        if (p_.producers[o.inputs.values[k]] >= begin - run.operations && p_.producers[o.inputs.values[k]] < begin)
          add(states_, {i - begin, k, true, false}, state_);
      for (int k = 0; k < o.outputs.size; ++k)
        if (is_read[static_cast<std::size_t>(o.outputs.values[k])]) add(tapes_, {i - begin, k, false, false}, tape_);
      for (int k = 0; k < o.saved.size; ++k)
        if (is_read[static_cast<std::size_t>(o.saved.values[k])]) add(tapes_, {i - begin, k, false, true}, tape_);
      link_ += forward_of(i);
    }
    fastest_link_ = link_;
    for (int link = 0; link < run.links; ++link) {
      double here = 0;
      for (int i = run.begin_of(link); i < run.begin_of(link + 1); ++i) here += forward_of(i);
      fastest_link_ = std::min(fastest_link_, here);
    }
    const tape& steps = all.steps;
    for (int now = 0; now < steps.actions.count(); ++now)
      (now < steps.end_of(forward_section) ? forward_ : backward_) +=
          action_cost(all, steps.actions[now], times_.costs()) + packing_cost(steps.actions[now], times_.costs());
  }
  double forward_of(int i) const { return times_.costs().operations[static_cast<std::size_t>(i)].forward; }

  disk_prices prices(double share) const {
    disk_prices made;
    if (state_.is_possible()) made.state = share * state_.sum() / link_;
    if (tape_.is_possible()) made.tape = share * tape_.sum() / link_;
    return made;
  }
  moving_time moved(const uniform_split& split) const {
    const auto sum = [&](double state, double tape) {
      return (split.states > 0 ? split.states * state : 0) + (split.tapes > 0 ? split.tapes * tape : 0);
    };
    return {sum(state_.write, tape_.write), sum(state_.read, tape_.read)};
  }

  choice cheapest_serial(int units) const {
    choice made{uniform_disk_schedules::at_units(schedules_, units).cheapest(prices(1)), units, true};
    made.least = forward_ + backward_ + made.split.again * fastest_link_ + moved(made.split).sum();
    return made;
  }
  choice fastest_next_to_operations(int units) const {
    const uniform_disk_schedules::at_units here(schedules_, units);
    choice best;
    double lowest = std::numeric_limits<double>::infinity();
    for (const double price : disk_price_grid) {
      choice made{here.cheapest(prices(price)), units};
      const moving_time moving = moved(made.split);
      const double again = made.split.again * fastest_link_;
      made.least = std::max(forward_, moving.write) + std::max(backward_ + again, moving.read);
      // Of those that hide all their transfers, one that has few.
      if (const double score = made.least + moving.sum() / 256; score < lowest) lowest = score, best = std::move(made);
    }
    if (lowest == std::numeric_limits<double>::infinity()) best.least = lowest;
    return best;
  }

  plan written(const choice& c) const {
    plan made = planner_.with_segments(run_.ranges(schedules_.segments(c.split, c.units)));
    int link = 0;
    for (const int links : c.split.parts) {
      for (const place& each : links > 0 ? states_ : tapes_)
        if (const int t = tensor(link, each); may_move(t)) made.on_disk.tensors.push_back(t);
      link += links > 0 ? links : 1;
    }
    if (c.waits) made.on_disk.most_under_way = 0;
    made.on_disk.operations_a_transfer = operations_a_transfer();
    made.on_disk.aligns = !some_stay_;
    planner_.write_tape(made);
    return made;
  }
  /// As many as take as long.
  int operations_a_transfer() const {
    double longest = 0;
    for (const auto* some : {&states_, &tapes_})
      for (const place& each : *some) {
        const moving_time& here = moving_[static_cast<std::size_t>(tensor(run_.run().links / 2, each))];
        longest = std::max({longest, here.write, here.read});
      }
    return static_cast<int>(std::clamp(std::ceil(longest / link_ * run_.run().operations), 4.0, 1'000.0));
  }

  const training_planner& planner_;
  const program& p_;
  const uniform_search& search_;
  const scheduled_run& run_;
  const step_times& times_;
  std::vector<moving_time> moving_;  // of each tensor
  bool is_serial_;
  uniform_disk_schedules schedules_;
  std::vector<place> states_, tapes_;   // of a link, what may leave memory
  moving_time state_, tape_;            // what that takes
  bool some_stay_ = false;              // of a link's tensors, which are small
  double link_ = 0, fastest_link_ = 0;  // forward
  double forward_ = 0, backward_ = 0;   // of a step that keeps everything
};

}  // namespace remat::detail
