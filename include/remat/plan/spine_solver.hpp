// SPDX-License-Identifier: MIT
/// The fastest persistent schedule of a spine for every number of quanta up to a limit: an exact dynamic programme.
///
/// What [s, t) does from its frontier on to the end of its backward pass begins in one of two ways (Beaumont,
/// Eyraud-Dubois, Herrmann, Joly and Shilova 2020, "Optimal checkpointing for heterogeneous chains"):
///
///     save s       run s, keep what its backward pass reads; then [s + 1, t); then the backward pass of s
///     segment u    run [s, u) and keep nothing but the frontier of s, and what leaves it; then [u, t); then [s, u)
///
/// Of more than 200 operations, segments end with every second one, or third, and so on, and a state looks at fewer tensors.
/// What leaves [s, u) may also stay until [s, u) has read it. What stays for a segment is not computed again inside of it.
///
/// In addition to s, t and the quanta, a state says which tensors of the frontier nobody else holds: those go away after
/// their last use, or stay where the state needs them. A tensor that s reads at the last moment of its backward pass stays
/// in any case, so that it makes no other state. In [0, count) all operations have run once, which costs nothing here: a
/// time is that of what is computed again.
#pragma once

#include <remat/plan/spine_passes.hpp>

#include <cstddef>
#include <limits>

namespace remat::detail {

/// A segment of a solution: the operations [first, last) of the spine, which are computed again.
struct spine_segment {
  int first = 0, last = 0;
  core::list<int> staying = {};  ///< of the tensors that leave it, those that stay for its backward pass
};
struct spine_solution {
  double again = 0;                         ///< what is computed again costs
  core::list<spine_segment> segments = {};  ///< in preorder
};

class spine_solver {
 public:
  /// Exact for short spines; for long ones with many tensors in their frontiers `again` is a bound, or what a schedule takes.
  constexpr spine_solver(const program& p, const spine& s, int levels, bool is_bound)
      : spine_(s),
        levels_(levels),
        is_bound_(is_bound),
        needs_(p, s),
        passes_(p, s, needs_),
        states_of_(2 * (static_cast<std::size_t>(s.count) + 1) * (static_cast<std::size_t>(s.count) + 1), core::none) {
    states_.push_back({});  // nothing to do
    values_.push_back(0);
    for (int i = 0; i < s.count; ++i) add_reads(i);
    whole_ = enter(0, all(), needs_.needed(0, all()));
  }

  /// The fewest quanta that any schedule takes; more than there are where none is found.
  constexpr int least() const { return low(whole_); }
  /// What is computed again costs at least this; a schedule takes at least `least()` quanta.
  constexpr double again(int quanta) const { return value(whole_, quanta); }
  /// One that costs that.
  constexpr spine_solution solution(int quanta) {
    spine_solution made;
    made.again = again(quanta);
    write(0, all(), needs_.needed(0, all()), quanta, made.segments);
    return made;
  }
  constexpr std::size_t states() const { return states_.size(); }

 private:
  static constexpr double never = std::numeric_limits<double>::infinity();

  struct state {
    frontier_set unheld = 0;
    int low = 0, high = 0;  // below `low` quanta there is none; from `high` on nothing gets faster
    int next = core::none;  // of the same operations
    std::size_t at = 0;     // where the values of its levels are
  };
  /// A state, and quanta that its frontier takes in addition to it.
  struct entry {
    int state = 0, held = 0;
  };
  /// How a state begins: what that takes and costs, and which states follow.
  struct option {
    int peak = 0, charge = 0;
    double cost = 0;
    entry right = {}, left = {};
    frontier_set after = 0;  // of the right one's frontier, what nobody holds
  };
  /// A read of an operation's backward pass: which tensor of the frontier, or one of its own.
  struct read {
    int bit = core::none, tensor = core::none, weight = 0, last_moment = 0;
  };

  constexpr void add_reads(int i) {
    const spine_operation& o = spine_.operations[i];
    core::list<read> reads;
    frontier_set to_the_end = 0;
    const core::list<int>& front = spine_.frontier[i];
    for (const spine_read& each : o.reads) {
      int bit = 0;
      while (bit < front.count() && front[bit] != each.tensor) ++bit;
      if (bit == front.count()) bit = core::none;
      if (bit == core::none && spine_.producer[each.tensor] != i) continue;  // beyond the largest frontier
      reads.push_back({bit, each.tensor, spine_.weight[each.tensor], each.last_moment});
      if (bit != core::none && each.last_moment + 1 >= o.gradients.count()) to_the_end |= frontier_set{1} << bit;
    }
    reads_.push_back(static_cast<core::list<read>&&>(reads));
    to_the_end_.push_back(to_the_end);
  }

  constexpr spine_end all() const { return {spine_.count, false}; }
  constexpr std::size_t cell(int s, spine_end t) const {
    return static_cast<std::size_t>(t.number()) * (static_cast<std::size_t>(spine_.count) + 1) +
           static_cast<std::size_t>(s);
  }
  constexpr int low(const entry& e) const { return states_.data()[e.state].low + e.held; }
  constexpr int high(const entry& e) const { return states_.data()[e.state].high + e.held; }
  constexpr double value(const entry& e, int quanta) const {
    const state& here = states_.data()[e.state];
    const int own = quanta - e.held;
    if (own < here.low) return never;
    return values_.data()[here.at + static_cast<std::size_t>((own < here.high ? own : here.high) - here.low)];
  }

  constexpr int weight_of(int s, frontier_set some) const {
    int sum = 0;
    for (int k = 0; some != 0; ++k, some >>= 1)
      if (some & 1) sum += spine_.weight.data()[spine_.frontier.data()[s].data()[k]];
    return sum;
  }
  /// Of a set of the frontier before s, those in the one before `to`.
  constexpr frontier_set carried(int s, frontier_set some, int to) const {
    frontier_set found = 0;
    const core::list<int>& there = spine_.frontier.data()[to];
    for (int k = 0; some != 0; ++k, some >>= 1)
      if (some & 1)
        for (int j = 0, all = there.count(); j < all; ++j)
          if (there.data()[j] == spine_.frontier.data()[s].data()[k]) found |= frontier_set{1} << j;
    return found;
  }
  /// Of the frontier before `to`, what [s, to) makes, without what stays for the backward pass of that segment.
  constexpr frontier_set made_in(int s, spine_end to) const {
    frontier_set found = 0;
    const core::list<int>& there = spine_.frontier.data()[to.at];
    for (int j = 0, all = there.count(); j < all; ++j) {
      const int t = there.data()[j];
      if (spine_.producer.data()[t] >= s && !needs_.is_boundary(t, to)) found |= frontier_set{1} << j;
    }
    return found;
  }

  constexpr entry enter(int s, spine_end t, frontier_set unheld) {
    if (s == t.at) return {};
    const frontier_set held = unheld & (to_the_end_.data()[s] | beyond(s, unheld));
    return {find(s, t, unheld & ~held), weight_of(s, is_bound_ ? unheld & to_the_end_.data()[s] : held)};
  }
  /// Of a long spine's frontier, a state looks at the last few tensors alone. The others are there to the end of the state;
  /// for a bound, they take nothing.
  constexpr frontier_set beyond(int s, frontier_set unheld) const {
    if (spine_.count <= 16) return 0;
    const int last_few = spine_.frontier.data()[s].count() - (spine_.count <= 200 ? 3 : 1);
    return last_few <= 0 ? 0 : unheld & ((frontier_set{1} << last_few) - 1);
  }

  constexpr int find(int s, spine_end t, frontier_set unheld) {
    int& head = states_of_.data()[cell(s, t)];
    for (int k = head; k != core::none; k = states_.data()[k].next)
      if (states_.data()[k].unheld == unheld) return k;
    return solve(s, t, unheld);
  }

  /// s is run, and what its backward pass reads is kept.
  constexpr option save(int s, spine_end t, frontier_set unheld) {
    const spine_operation& o = spine_.operations.data()[s];
    const core::list<read>& reads = reads_.data()[s];
    option made;
    frontier_set kept = 0;
    core::list<int> own;
    for (int k = 0, all = reads.count(); k < all; ++k) {
      const read& each = reads.data()[k];
      if (each.bit != core::none && (unheld >> each.bit & 1) == 0) continue;
      if (each.bit != core::none)
        kept |= frontier_set{1} << each.bit;
      else
        own.push_back(each.tensor);
      made.charge += each.weight;
    }
    frontier_set next = carried(s, unheld & ~kept, s + 1);
    const core::list<int>& there = spine_.frontier.data()[s + 1];
    for (int j = 0, all = there.count(); j < all; ++j) {
      const int tensor = there.data()[j];
      if (spine_.producer.data()[tensor] != s) continue;
      bool is_own = false;
      for (int each : own) is_own = is_own || each == tensor;
      if (!is_own) next |= frontier_set{1} << j;
    }
    made.after = next & needed(s + 1, t);
    made.right = enter(s + 1, t, made.after);
    if (needs_.runs(s, t)) {
      made.cost = t.at < spine_.count ? o.forward : 0;
      made.peak = weight_of(s, unheld) + o.made + around(s, t);
      if (o.in_place_of != core::none && is_given_up(s, o.in_place_of, unheld & ~kept, made.after))
        made.peak -= o.outputs;
      else if (o.skips_outputs && t.at < spine_.count && own.empty() && next == 0)
        made.peak -= o.outputs;
    }
    for (int moment = 0; moment < o.gradients.count(); ++moment) {
      int here = o.gradients.data()[moment];
      for (int k = 0, all = reads.count(); k < all; ++k) {
        const read& each = reads.data()[k];
        if (each.last_moment >= moment && (each.bit == core::none || (unheld >> each.bit & 1) != 0))
          here += each.weight;
      }
      made.peak = here > made.peak ? here : made.peak;
    }
    return made;
  }
  /// The operation may write over this tensor of the frontier: nobody holds it, and nobody reads it later.
  constexpr bool is_given_up(int s, int tensor, frontier_set unheld, frontier_set next) const {
    const core::list<int>& front = spine_.frontier.data()[s];
    for (int k = 0; k < front.count(); ++k)
      if (front.data()[k] == tensor)
        return (unheld >> k & 1) != 0 && (carried(s, frontier_set{1} << k, s + 1) & next) == 0;
    return false;
  }

  /// [s, u) is run, and nothing is kept but what it needs to run again.
  constexpr option cut(int s, spine_end u, spine_end t, frontier_set unheld) {
    option made;
    const bool is_first = t.at == spine_.count;
    const frontier_set returned = needs_.needed(s, u), after = needed(u.at, t);
    frontier_set wanted = after;
    if (!is_first)
      for (const spine_needs::boundary& each : boundaries(t))
        for (int j = 0; j < spine_.frontier[u.at].count(); ++j)
          if (spine_.frontier[u.at][j] == each.tensor) wanted &= ~(frontier_set{1} << j);
    const spine_pass& pass = passes_.at(u, passes_.find(u, is_first, wanted));
    made.cost = is_first ? 0 : pass.cost.data()[s];
    made.peak = passes_.peak(pass, s, u.at, unheld, returned);
    if (made.peak > 0) made.peak += around(s, t);
    made.charge = weight_of(s, unheld & returned) + needs_.boundary_weight(s, u);
    made.after = (carried(s, unheld & ~returned, u.at) | made_in(s, u)) & after;
    made.right = enter(u.at, t, made.after);
    made.left = enter(s, u, unheld & returned);
    return made;
  }

  /// What is there while [s, t) is computed again, whatever it does.
  constexpr int around(int s, spine_end t) const {
    return t.at == spine_.count ? 0 : needs_.boundary_weight(s, t) + spine_.waiting.data()[t.at];
  }
  constexpr const core::list<spine_needs::boundary>& boundaries(spine_end t) const { return needs_.boundaries(t); }
  constexpr frontier_set needed(int s, spine_end t) const { return s == t.at ? 0 : needs_.needed(s, t); }
  constexpr bool may_cut(int s, int u) const {
    return spine_.group.data()[s] != core::none && spine_.group.data()[s] == spine_.group.data()[u - 1];
  }
  constexpr bool may_end(int s, spine_end u, spine_end t) const {
    if (u.at % ((spine_.count + 199) / 200) != 0) return false;
    if (u.stays) return true;
    for (const spine_needs::boundary& each : boundaries(t))
      if (each.producer >= s && each.producer < u.at) return false;
    return true;
  }
  /// The next end to try.
  constexpr spine_end after(spine_end u) const {
    if (spine_.count > 200) return {u.at + 1, !boundaries({u.at + 1, true}).empty()};  // one way for each
    return !u.stays && !boundaries({u.at, true}).empty() ? spine_end{u.at, true} : spine_end{u.at + 1, false};
  }
  constexpr int needs_at_least(const option& o) const {
    int least = o.peak;
    if (o.charge + low(o.right) > least) least = o.charge + low(o.right);
    if (low(o.left) > least) least = low(o.left);
    return least;
  }

  constexpr int solve(int s, spine_end t, frontier_set unheld) {
    const int depth = depth_++;
    if (depth == scratch_.count()) scratch_.push_back(core::list<double>(static_cast<std::size_t>(levels_) + 1));
    const option saving = save(s, t, unheld);
    int highest = saving.peak;
    if (saving.charge + high(saving.right) > highest) highest = saving.charge + high(saving.right);
    if (highest > levels_) highest = levels_;
    {
      double* const fill = scratch_.data()[depth].data();
      for (int m = 0; m <= highest; ++m) fill[m] = never;
    }
    int least = needs_at_least(saving);
    offer(scratch_.data()[depth].data(), saving, highest);
    for (spine_end u{s + 1}; u.at < t.at && may_cut(s, u.at); u = after(u)) {
      if (!may_end(s, u, t)) continue;
      const option cutting = cut(s, u, t, unheld);
      const int from = needs_at_least(cutting);
      least = from < least ? from : least;
      if (from <= highest) offer(scratch_.data()[depth].data(), cutting, highest);
    }
    state made{unheld, least > levels_ ? levels_ + 1 : least, highest, core::none, values_.size()};
    if (made.high < made.low) made.high = made.low;
    for (int m = made.low; m <= highest; ++m) values_.push_back(scratch_.data()[depth].data()[m]);
    if (made.low > highest) values_.push_back(never);
    made.next = states_of_.data()[cell(s, t)];
    states_of_.data()[cell(s, t)] = states_.count();
    states_.push_back(made);
    --depth_;
    return states_.count() - 1;
  }

  /// Takes it where it is faster.
  constexpr void offer(double* best, const option& o, int highest) const {
    const state &right = states_.data()[o.right.state], &left = states_.data()[o.left.state];
    const double *const rights = values_.data() + right.at, *const lefts = values_.data() + left.at;
    const int of_right = o.charge + o.right.held, of_left = o.left.held;
    for (int m = needs_at_least(o); m <= highest; ++m) {
      const int r = m - of_right < right.high ? m - of_right : right.high;
      const int l = m - of_left < left.high ? m - of_left : left.high;
      const double sum = o.cost + rights[r - right.low] + lefts[l - left.low];
      best[m] = sum < best[m] ? sum : best[m];
    }
  }

  constexpr void write(int s, spine_end t, frontier_set unheld, int quanta, core::list<spine_segment>& segments) {
    while (s < t.at) {
      const frontier_set held = unheld & (to_the_end_.data()[s] | beyond(s, unheld));
      quanta -= weight_of(s, held);
      unheld &= ~held;
      const int here = find(s, t, unheld);
      const double best = value({here, 0}, quanta);
      option taken = save(s, t, unheld);
      spine_end u{s + 1};
      bool is_cut = false;
      if (!gives(taken, quanta, best))
        for (is_cut = true; u.at < t.at && may_cut(s, u.at); u = after(u)) {
          if (!may_end(s, u, t)) continue;
          taken = cut(s, u, t, unheld);
          if (gives(taken, quanta, best)) break;
        }
      if (is_cut) {
        segments.push_back({s, u.at});
        for (const spine_needs::boundary& each : boundaries(u))
          if (each.producer >= s) segments.back().staying.push_back(each.tensor);
        write(s, u, unheld & needs_.needed(s, u), quanta, segments);
      }
      unheld = taken.after;
      quanta -= taken.charge;
      s = u.at;
    }
  }
  constexpr bool gives(const option& o, int quanta, double best) const {
    return quanta >= needs_at_least(o) && o.cost + value(o.right, quanta - o.charge) + value(o.left, quanta) <= best;
  }

  const spine& spine_;
  int levels_;
  bool is_bound_;
  spine_needs needs_;
  spine_passes passes_;
  core::list<core::list<read>> reads_;
  core::list<frontier_set> to_the_end_;
  core::list<int> states_of_;  // of each [s, t): the first one; they are chained
  core::list<state> states_;
  core::list<double> values_;
  core::list<core::list<double>> scratch_;  // of each depth of the recursion
  int depth_ = 0;
  entry whole_ = {};
};

}  // namespace remat::detail
