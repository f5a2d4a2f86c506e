// SPDX-License-Identifier: MIT
/// The two ways in which the operations [s, t) of a spine begin, from a frontier of which some tensors are held by
/// others: what each takes and costs, and from which frontiers it goes on.
#pragma once

#include <remat/plan/spine_passes.hpp>
#include <remat/plan/spine_sets.hpp>

#include <cstddef>

namespace remat::detail {

struct spine_step {
  int peak = 0;             ///< quanta at most, while it runs, and while the backward pass of what it keeps does
  int charge = 0;           ///< quanta of what it keeps, while the rest runs
  double cost = 0;          ///< of what it computes again
  frontier_set after = 0;   ///< of the frontier at its end, what the rest needs and nobody holds
  frontier_set inside = 0;  ///< of its own frontier, what it needs and nobody holds, when it is computed again
};

class spine_steps {
 public:
  constexpr spine_steps(const program& p, const spine& s)
      : p_(p),
        spine_(s),
        needs_(p, s),
        passes_(p, s, needs_),
        sets_(s, needs_),
        ends_(2 * (static_cast<std::size_t>(s.count) + 1)),
        pass_of_(ends_ * ends_, core::none),
        ways_of_(ends_ * ends_ / 2, core::none) {}

  constexpr const spine_needs& needs() const { return needs_; }
  constexpr const spine_sets& sets() const { return sets_; }

  /// s is run, and what its backward pass reads is kept.
  constexpr spine_step save(int s, spine_end t, frontier_set unheld) {
    const spine_operation& o = spine_.operations.data()[s];
    const core::list<spine_sets::read>& reads = sets_.reads(s);
    spine_step made;
    frontier_set kept = 0;
    core::list<int> own;
    for (int k = 0, all = reads.count(); k < all; ++k) {
      const spine_sets::read& each = reads.data()[k];
      if (each.bit != core::none && (unheld >> each.bit & 1) == 0) continue;
      if (each.bit != core::none)
        kept |= frontier_set{1} << each.bit;
      else
        own.push_back(each.tensor);
      made.charge += each.weight;
    }
    frontier_set next = sets_.carried(s, unheld & ~kept, s + 1);
    const core::list<int>& there = spine_.frontier.data()[s + 1];
    for (int j = 0, all = there.count(); j < all; ++j) {
      const int tensor = there.data()[j];
      if (spine_.producer.data()[tensor] != s) continue;
      bool is_own = false;
      for (int each : own) is_own = is_own || each == tensor;
      if (!is_own) next |= frontier_set{1} << j;
    }
    made.after = next & needed(s + 1, t);
    if (needs_.runs(s, t)) {
      made.cost = t.at < spine_.count ? o.forward : 0;
      made.peak = sets_.weight_of(s, unheld) + o.made - (t.at < spine_.count ? o.comes_in : 0) + around(s, t);
      const bool is_first = t.at == spine_.count;
      if (o.in_place_of != core::none && !(is_first && o.updates_state) &&
          sets_.is_given_up(s, o.in_place_of, unheld & ~kept, made.after))
        made.peak -= o.outputs;
      else if (o.skips_outputs && t.at < spine_.count)
        made.peak -= unread(s, own, made.after);
    }
    for (int moment = 0; moment < o.gradients.count(); ++moment) {
      int here = o.gradients.data()[moment];
      for (int k = 0, all = reads.count(); k < all; ++k) {
        const spine_sets::read& each = reads.data()[k];
        if (each.last_moment >= moment && (each.bit == core::none || (unheld >> each.bit & 1) != 0))
          here += is_overwritten(o, each, moment) ? 0 : each.weight;
      }
      made.peak = here > made.peak ? here : made.peak;
    }
    return made;
  }
  /// [s, u) is run, and nothing is kept but what it needs to run again.
  constexpr spine_step cut(int s, spine_end u, spine_end t, frontier_set unheld) {
    const frontier_set after = needed(u.at, t);
    const int pass = pass_of(s, u, t, after);
    if (spine_.frontier.data()[s].count() > largest_kept) return within(run(s, u, pass, unheld), s, u, t, after);
    int& first = ways_of_.data()[static_cast<std::size_t>(s) * ends_ + static_cast<std::size_t>(u.number())];
    const way* const known = ways_.data();
    int k = first;
    while (k != core::none && (known[k].pass != pass || known[k].unheld != unheld)) k = known[k].next;
    if (k != core::none) return within(known[k].step, s, u, t, after);
    ways_.push_back({run(s, u, pass, unheld), unheld, pass, first});
    first = ways_.count() - 1;
    return within(ways_.back().step, s, u, t, after);
  }

  /// The tensors of the charge of an operation that is run and kept.
  constexpr core::list<int> held_by_save(int s, frontier_set unheld) const {
    core::list<int> held;
    for (const spine_sets::read& each : sets_.reads(s))
      if (each.bit == core::none || (unheld >> each.bit & 1) != 0) held.push_back(each.tensor);
    return held;
  }
  /// Of a segment.
  constexpr core::list<int> held_by_cut(int s, spine_end u, frontier_set unheld) const {
    core::list<int> held;
    for (int k = 0; k < spine_.frontier[s].count(); ++k)
      if ((unheld & needs_.needed(s, u)) >> k & 1) held.push_back(spine_.frontier[s][k]);
    for (const spine_needs::boundary& each : boundaries(u))
      if (each.producer >= s) held.push_back(each.tensor);
    return held;
  }

 private:
  /// Whether the gradient that is made then takes the place of this tensor.
  static constexpr bool is_overwritten(const spine_operation& o, const spine_sets::read& each, int moment) {
    return each.tensor == o.overwritten && moment == o.overwritten_at && each.last_moment == moment;
  }
  /// Quanta of the outputs of s that neither its own backward pass nor the rest reads.
  constexpr int unread(int s, const core::list<int>& own, frontier_set after) const {
    int sum = 0;
    for (int t : p_.operations[spine_.first + s].outputs) {
      bool is_read = core::is_among(own, t);
      for (int j = 0; j < spine_.frontier.data()[s + 1].count(); ++j)
        is_read = is_read || ((after >> j & 1) != 0 && spine_.frontier.data()[s + 1].data()[j] == t);
      if (!is_read) sum += spine_.weight.data()[t];
    }
    return sum;
  }
  /// Of frontiers of more tensors, ways to run a segment are not kept: there are many of them.
  static constexpr int largest_kept = 2;

  /// How [s, u) is run from a frontier by a pass: whatever is around it, and goes on from it.
  struct way {
    spine_step step = {};
    frontier_set unheld = 0;
    int pass = 0, next = core::none;
  };
  constexpr spine_step run(int s, spine_end u, int number, frontier_set unheld) const {
    const spine_pass& pass = passes_.at(u, number);
    const frontier_set returned = needs_.needed(s, u), inside = unheld & returned;
    const int peak = passes_.peak(pass, s, u.at, unheld, returned);
    return {peak > 0 ? peak - needs_.gone_weight(s, u) : 0, sets_.weight_of(s, inside) + needs_.boundary_weight(s, u),
            pass.is_first ? 0 : pass.cost.data()[s], sets_.carried(s, unheld & ~returned, u.at) | sets_.made_in(s, u),
            inside};
  }
  constexpr spine_step within(spine_step run, int s, spine_end u, spine_end t, frontier_set after) const {
    if (run.peak > 0 && t.at < spine_.count) run.peak += around(s, t) - needs_.coming_weight(s, u.at, t);
    run.after &= after;
    return run;
  }
  /// The number of the pass that runs [s, u) where [s, t) is run.
  constexpr int pass_of(int s, spine_end u, spine_end t, frontier_set after) {
    const bool is_first = t.at == spine_.count;
    if (is_first || boundaries(t).empty()) {
      int& known = pass_of_.data()[static_cast<std::size_t>(u.number()) * ends_ + static_cast<std::size_t>(t.number())];
      if (known == core::none) known = passes_.find(u, is_first, after, {});
      return known;
    }
    frontier_set wanted = after;
    core::list<int> given;
    for (const spine_needs::boundary& each : boundaries(t)) {
      if (each.producer < s || each.producer >= u.at || needs_.comes_in(each.tensor)) continue;
      given.push_back(each.tensor);
      for (int j = 0; j < spine_.frontier[u.at].count(); ++j)
        if (spine_.frontier[u.at][j] == each.tensor) wanted &= ~(frontier_set{1} << j);
    }
    return passes_.find(u, false, wanted, given);
  }
  /// What is there while [s, t) is computed again, whatever it does.
  constexpr int around(int s, spine_end t) const {
    return t.at == spine_.count ? 0 : needs_.boundary_weight(s, t) + spine_.waiting.data()[t.at];
  }
  constexpr const core::list<spine_needs::boundary>& boundaries(spine_end t) const { return needs_.boundaries(t); }
  constexpr frontier_set needed(int s, spine_end t) const { return s == t.at ? 0 : needs_.needed(s, t); }

  const program& p_;
  const spine& spine_;
  spine_needs needs_;
  spine_passes passes_;
  spine_sets sets_;
  std::size_t ends_;
  core::list<int> pass_of_;  // of each pair of ends where nothing stays for the second: the pass up to the first
  core::list<int> ways_of_;  // of each s and end: the first way to run it; they are chained
  core::list<way> ways_ = {};
};

}  // namespace remat::detail
