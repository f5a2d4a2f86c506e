// SPDX-License-Identifier: MIT
/// The two ways in which the operations [s, t) of a spine begin, from a frontier of which some tensors are held by others:
/// what each takes and costs, and from which frontiers it goes on.
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
      : spine_(s), needs_(p, s), passes_(p, s, needs_), sets_(s, needs_) {}

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
      made.peak = sets_.weight_of(s, unheld) + o.made + around(s, t);
      if (o.in_place_of != core::none && sets_.is_given_up(s, o.in_place_of, unheld & ~kept, made.after))
        made.peak -= o.outputs;
      else if (o.skips_outputs && t.at < spine_.count && own.empty() && next == 0)
        made.peak -= o.outputs;
    }
    for (int moment = 0; moment < o.gradients.count(); ++moment) {
      int here = o.gradients.data()[moment];
      for (int k = 0, all = reads.count(); k < all; ++k) {
        const spine_sets::read& each = reads.data()[k];
        if (each.last_moment >= moment && (each.bit == core::none || (unheld >> each.bit & 1) != 0))
          here += each.weight;
      }
      made.peak = here > made.peak ? here : made.peak;
    }
    return made;
  }
  /// [s, u) is run, and nothing is kept but what it needs to run again.
  constexpr spine_step cut(int s, spine_end u, spine_end t, frontier_set unheld) {
    spine_step made;
    const bool is_first = t.at == spine_.count;
    const frontier_set returned = needs_.needed(s, u), after = needed(u.at, t);
    frontier_set wanted = after;
    core::list<int> given;
    if (!is_first)
      for (const spine_needs::boundary& each : boundaries(t)) {
        if (each.producer >= s && each.producer < u.at) given.push_back(each.tensor);
        for (int j = 0; j < spine_.frontier[u.at].count(); ++j)
          if (spine_.frontier[u.at][j] == each.tensor) wanted &= ~(frontier_set{1} << j);
      }
    const spine_pass& pass = passes_.at(u, passes_.find(u, is_first, wanted, given));
    made.cost = is_first ? 0 : pass.cost.data()[s];
    made.peak = passes_.peak(pass, s, u.at, unheld, returned);
    if (made.peak > 0) made.peak += around(s, t);
    made.charge = sets_.weight_of(s, unheld & returned) + needs_.boundary_weight(s, u);
    made.after = (sets_.carried(s, unheld & ~returned, u.at) | sets_.made_in(s, u)) & after;
    made.inside = unheld & returned;
    return made;
  }

 private:
  /// What is there while [s, t) is computed again, whatever it does.
  constexpr int around(int s, spine_end t) const {
    return t.at == spine_.count ? 0 : needs_.boundary_weight(s, t) + spine_.waiting.data()[t.at];
  }
  constexpr const core::list<spine_needs::boundary>& boundaries(spine_end t) const { return needs_.boundaries(t); }
  constexpr frontier_set needed(int s, spine_end t) const { return s == t.at ? 0 : needs_.needed(s, t); }

  const spine& spine_;
  spine_needs needs_;
  spine_passes passes_;
  spine_sets sets_;
};

}  // namespace remat::detail
