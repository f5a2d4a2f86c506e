// SPDX-License-Identifier: MIT
/// The fastest persistent schedule of a spine for every number of quanta up to a limit: an exact dynamic programme.
///
/// What [s, t) does from its frontier on to the end of its backward pass begins in one of two ways (Beaumont,
/// Eyraud-Dubois, Herrmann, Joly and Shilova 2020, "Optimal checkpointing for heterogeneous chains"):
///
///     save s       run s, keep what its backward pass reads; then [s + 1, t); then the backward pass of s
///     segment u    run [s, u) and keep nothing but the frontier of s, and what leaves it; then [u, t); then [s, u)
///
/// Segments begin and end at the borders of the spine, which are all operations of a short one. Of a longer one, a
/// state looks at the last few tensors of its frontier alone.
/// What leaves [s, u) may also stay until [s, u) has read it. What stays for a segment is not computed again inside of
/// it.
///
/// Where the segment of a checkpoint that is no budget's begins, [s, t) begins with that one, whose tensors that are
/// read after it stay.
///
/// In addition to s, t and the quanta, a state says which tensors of the frontier nobody else holds: those go away
/// after their last use, or stay where the state needs them. A tensor that s reads at the last moment of its backward
/// pass stays in any case, so that it makes no other state. In [0, count) all operations have run once, which costs
/// nothing here: a time is that of what is computed again.
///
/// Where the spine says what it costs to take tensors out of memory and back, what [s, count) keeps may go there, after
/// Beaumont, Eyraud-Dubois and Shilova 2021 ("Efficient combination of rematerialization and offloading for training
/// DNNs"): then it takes no quanta, and costs a share of its transfers, the price. How much of them is hidden next to
/// the operations is found out for the tape of each solution (disk_search.hpp), of several prices.
#pragma once

#include <remat/plan/spine_steps.hpp>
#include <remat/plan/spine_values.hpp>

#include <cstddef>
#include <cstdint>

namespace remat::detail {

/// A segment of a solution: the operations [first, last) of the spine, which are computed again.
struct spine_segment {
  int first = 0, last = 0;
  core::list<int> staying = {};  ///< of the tensors that leave it, those that stay for its backward pass
};
struct spine_solution {
  double again = 0;                         ///< what is computed again costs
  core::list<spine_segment> segments = {};  ///< in preorder
  core::list<int> outside = {};             ///< tensors that are out of memory until they are read
};

class spine_solver {
 public:
  /// Exact for short spines; for long ones with many tensors in their frontiers `again` is a bound, or what a schedule
  /// takes.
  constexpr spine_solver(const program& p, const spine& s, int levels, bool is_bound)
      : spine_(s),
        is_bound_(is_bound),
        steps_(p, s),
        values_(levels),
        states_of_(2 * (static_cast<std::size_t>(s.count) + 1) * (static_cast<std::size_t>(s.count) + 1), core::none),
        first_fixed_(static_cast<std::size_t>(s.count) + 1, s.fixed.count()) {
    for (int k = s.fixed.count(); k-- > 0;) first_fixed_[s.fixed[k].first] = k;
    whole_ = enter(0, all(), steps_.needs().needed(0, all()));
  }

  /// From here on taking tensors out of memory costs this share of their transfers; below 0: none is.
  constexpr void set_price(double price) {
    price_ = price;
    for (int s = 0; s <= spine_.count; ++s) head(s, all()) = core::none;
    whole_ = enter(0, all(), steps_.needs().needed(0, all()));
  }

  /// The fewest quanta that any schedule takes; more than there are where none is found.
  constexpr int least() const { return values_.low(whole_); }
  /// What is computed again costs at least this; a schedule takes at least `least()` quanta.
  constexpr double again(int quanta) const { return values_.value(whole_, quanta); }
  /// One that costs that.
  constexpr spine_solution solution(int quanta) {
    spine_solution made;
    made.again = again(quanta);
    write(0, all(), steps_.needs().needed(0, all()), quanta, made);
    return made;
  }

 private:
  constexpr spine_end all() const { return {spine_.count, false}; }
  constexpr int& head(int s, spine_end t) {
    return states_of_.data()[static_cast<std::size_t>(t.number()) * (static_cast<std::size_t>(spine_.count) + 1) +
                             static_cast<std::size_t>(s)];
  }

  constexpr spine_entry enter(int s, spine_end t, frontier_set unheld) {
    if (s == t.at) return {};
    const frontier_set held = unheld & held_anyway(s, t, unheld), own = unheld & ~held;
    const spine_state* const states = values_.states();
    int k = head(s, t);
    while (k != core::none && states[k].unheld != own) k = states[k].next;
    if (k == core::none) k = solve(s, t, own);
    return {k, held == 0 ? 0 : steps_.sets().weight_of(s, is_bound_ ? unheld & steps_.sets().to_the_end(s) : held)};
  }
  /// What a state does not look at. Of a long spine's frontier these are all but the last few tensors: they are there
  /// to the end of the state; for a bound, they take nothing. What may be taken out of memory is held by who says where
  /// it is.
  constexpr frontier_set held_anyway(int s, spine_end t, frontier_set unheld) const {
    const frontier_set to_the_end = may_take_out(t) ? 0 : steps_.sets().to_the_end(s);
    if (spine_.count <= 16) return to_the_end;
    const int looked_at = spine_.count <= 64 ? 6 : spine_.count <= 200 ? 3 : 1;
    const int last_few = spine_.frontier.data()[s].count() - looked_at;
    return to_the_end | (last_few <= 0 ? 0 : unheld & ((frontier_set{1} << last_few) - 1));
  }

  /// Where the segment of another checkpoint ends that [s, t) begins with, the outermost one; or none. One that ends
  /// with [s, t) is computed again from s on in any case.
  constexpr int fixed_end(int s, spine_end t) const {
    for (int k = first_fixed_.data()[s]; k < spine_.fixed.count() && spine_.fixed.data()[k].first == s; ++k)
      if (const int last = spine_.fixed.data()[k].last; last < t.at) return last;
    return core::none;
  }
  constexpr spine_option save(int s, spine_end t, frontier_set unheld) {
    const spine_step step = steps_.save(s, t, unheld);
    return {step.peak, step.charge, step.cost, enter(s + 1, t, step.after), {}, step.after};
  }
  constexpr spine_option cut(int s, spine_end u, spine_end t, frontier_set unheld) {
    const spine_step step = steps_.cut(s, u, t, unheld);
    const spine_entry right = enter(u.at, t, step.after);
    return {step.peak, step.charge, step.cost, right, enter(s, u, step.inside), step.after};
  }

  /// The state is of what the forward pass keeps, which may leave memory.
  constexpr bool may_take_out(spine_end t) const { return price_ >= 0 && t.at == spine_.count; }
  /// Calls f(option, outside) for an option with the tensors that it holds out of memory: all of them, and each alone;
  /// until it says that this is enough.
  template <class F>
  constexpr bool each_place(const spine_option& o, const core::list<int>& held, const F& f) {
    spine_option all = o;
    core::list<int> outside;
    for (const int tensor : held) {
      if (spine_.transfer[tensor] < 0 || spine_.weight[tensor] == 0) continue;
      take_out(all, tensor);
      outside.push_back(tensor);
    }
    if (!outside.empty() && f(all, outside)) return true;
    for (int k = 0; outside.count() > 1 && k < outside.count(); ++k) {
      spine_option alone = o;
      take_out(alone, outside[k]);
      if (f(alone, core::list<int>{outside[k]})) return true;
    }
    return false;
  }
  constexpr void take_out(spine_option& o, int tensor) const {
    o.charge -= spine_.weight[tensor];
    o.cost += price_ * spine_.transfer[tensor];
  }
  /// The same for each option of a state.
  template <class F>
  constexpr void each_outside(int s, spine_end t, frontier_set unheld, const F& f) {
    if (fixed_end(s, t) == core::none &&
        each_place(save(s, t, unheld), steps_.held_by_save(s, unheld),
                   [&](const spine_option& o, const core::list<int>& outside) { return f({s + 1}, true, o, outside); }))
      return;
    each_cut(s, t, unheld, [&](spine_end u, const spine_option& cutting) {
      return each_place(cutting, steps_.held_by_cut(s, u, unheld),
                        [&](const spine_option& o, const core::list<int>& outside) { return f(u, false, o, outside); });
    });
  }

  /// Calls f(end, option) for each segment that [s, t) may begin with, until it says that this is enough.
  template <class F>
  constexpr void each_cut(int s, spine_end t, frontier_set unheld, const F& f) {
    const std::uint8_t* const is_border = spine_.is_border.data();
    const int *const groups = spine_.group.data(), group = groups[s];
    if (!is_border[s]) return;
    if (const int end = fixed_end(s, t); end != core::none) {
      f(spine_end{end, true}, cut(s, {end, true}, t, unheld));
      return;
    }
    const bool is_free = steps_.needs().boundaries(t).empty();
    for (int end = s + 1; end < t.at && group != core::none && groups[end - 1] == group; ++end) {
      if (!is_border[end]) continue;
      const bool may_stay = !steps_.needs().boundaries({end, true}).empty();
      for (const bool stays : {false, true}) {
        if (stays ? !may_stay : spine_.has_one_way && may_stay) continue;
        const spine_end u{end, stays};
        if ((is_free || steps_.needs().may_end(s, u, t)) && f(u, cut(s, u, t, unheld))) return;
      }
    }
  }

  constexpr int solve(int s, spine_end t, frontier_set unheld) {
    const int fixed = fixed_end(s, t);
    spine_values::table costs =
        values_.begin(fixed == core::none ? save(s, t, unheld) : cut(s, {fixed, true}, t, unheld));
    if (fixed == core::none)
      each_cut(s, t, unheld, [&](spine_end, const spine_option& cutting) {
        values_.offer(costs, cutting);
        return false;
      });
    if (may_take_out(t))
      each_outside(s, t, unheld, [&](spine_end, bool, const spine_option& o, const core::list<int>&) {
        values_.offer(costs, o);
        return false;
      });
    const int made = values_.end(costs, unheld, head(s, t));
    return head(s, t) = made;
  }

  constexpr void write(int s, spine_end t, frontier_set unheld, int quanta, spine_solution& made) {
    while (s < t.at) {
      const frontier_set held = unheld & held_anyway(s, t, unheld);
      quanta -= steps_.sets().weight_of(s, held);
      unheld &= ~held;
      const double best = values_.value({enter(s, t, unheld).state, 0}, quanta);
      const bool is_fixed = fixed_end(s, t) != core::none;
      spine_option taken;
      spine_end u{s + 1};
      if (!is_fixed) taken = save(s, t, unheld);
      bool is_found = !is_fixed && gives(taken, quanta, best), saves = is_found;
      if (!is_found)
        each_cut(s, t, unheld, [&](spine_end end, const spine_option& cutting) {
          u = end;
          taken = cutting;
          return is_found = gives(cutting, quanta, best);
        });
      if (!is_found && may_take_out(t))
        each_outside(s, t, unheld,
                     [&](spine_end end, bool is_saved, const spine_option& o, const core::list<int>& outside) {
                       if (!gives(o, quanta, best)) return false;
                       u = end;
                       saves = is_saved;
                       taken = o;
                       made.outside.append(outside.begin(), outside.end());
                       return true;
                     });
      if (!saves) {
        if (!is_fixed) {
          made.segments.push_back({s, u.at});
          for (const spine_needs::boundary& each : steps_.needs().boundaries(u))
            if (each.producer >= s) made.segments.back().staying.push_back(each.tensor);
        }
        write(s, u, unheld & steps_.needs().needed(s, u), quanta, made);
      }
      unheld = taken.after;
      quanta -= taken.charge;
      s = u.at;
    }
  }
  constexpr bool gives(const spine_option& o, int quanta, double best) const {
    return quanta >= values_.least(o) &&
           o.cost + values_.value(o.right, quanta - o.charge) + values_.value(o.left, quanta) <= best;
  }

  const spine& spine_;
  bool is_bound_;
  double price_ = -1;  // below 0: nothing is taken out of memory
  spine_steps steps_;
  spine_values values_;
  core::list<int> states_of_;    // of each [s, t): the first one; they are chained
  core::list<int> first_fixed_;  // of those that begin with an operation, the outermost
  spine_entry whole_ = {};
};

}  // namespace remat::detail
