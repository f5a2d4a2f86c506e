// SPDX-License-Identifier: MIT
/// Passes over a part of a spine that keep nothing on the way: what they run, what that costs, and what it takes.
#pragma once

#include <remat/plan/spine_needs.hpp>

#include <cstddef>
#include <cstdint>

namespace remat::detail {

/// A pass up to the end of a segment, from wherever it begins.
struct spine_pass {
  bool is_first = false;       ///< everything runs
  frontier_set kept = 0;       ///< of the frontier at its end, what it is run for
  core::list<int> given = {};  ///< tensors made on the way that are there all the time, since they stay for others
  core::list<std::uint8_t> runs = {};  ///< of each operation before its end
  core::list<double> cost = {};        ///< from each operation to the end
  core::list<int> live = {};      ///< quanta at each operation, of all that was made before and is needed, and makes
  core::list<int> highest = {};   ///< from each operation to the end
  core::list<int> last_use = {};  ///< of each tensor: the operation; the end, where it is needed there; or -1
};

class spine_passes {
 public:
  constexpr spine_passes(const program& p, const spine& s, const spine_needs& needs)
      : p_(p), spine_(s), needs_(needs), made_(2 * (static_cast<std::size_t>(s.count) + 1)) {}

  /// The pass up to `end` that gives these tensors of the frontier there, and those that stay for a segment that ends
  /// there; `given` are not computed, and not counted.
  constexpr int find(spine_end end, bool is_first, frontier_set kept, const core::list<int>& given) {
    core::list<spine_pass>& known = made_.data()[end.number()];
    for (int k = 0, all = known.count(); k < all; ++k)
      if (known.data()[k].kept == kept && known.data()[k].is_first == is_first &&
          are_same(known.data()[k].given, given))
        return k;
    known.push_back(make(end, is_first, kept, given));
    return known.count() - 1;
  }
  constexpr const spine_pass& at(spine_end end, int number) const { return made_.data()[end.number()].data()[number]; }

  /// The most quanta that the operations [begin, end) take at once, apart from those that others hold: of the frontier
  /// before `begin`, these are not in `unheld`; those in `returned` are needed again when the pass is over.
  constexpr int peak(const spine_pass& pass, int begin, int end, frontier_set unheld, frontier_set returned) const {
    const core::list<int>& front = spine_.frontier.data()[begin];
    const int *const tensors = front.data(), *const weight = spine_.weight.data(),
                     *const last_use = pass.last_use.data();
    int constant = 0, last_change = -1;
    for (int k = 0, all = front.count(); k < all; ++k) {
      const int use = last_use[tensors[k]], w = weight[tensors[k]];
      const bool is_counted = (unheld >> k & 1) != 0, stays = use == end;
      if (is_counted && (stays || (returned >> k & 1) != 0)) constant += w;
      if (stays) constant -= w;
      if (!stays && use > last_change) last_change = use;
    }
    int most = 0;
    for (int i = begin; i <= last_change && i < end; ++i) {
      if (!pass.runs.data()[i]) continue;
      int here = pass.live.data()[i] + constant;
      for (int k = 0, all = front.count(); k < all; ++k) {
        const int use = last_use[tensors[k]], w = weight[tensors[k]];
        if (use == end || use < i) continue;
        here -= w;
        const bool is_gone = (unheld >> k & 1) != 0 && (returned >> k & 1) == 0;
        if (is_gone) here += w;
        if (!is_gone && use == i && is_in_place(pass, i) && spine_.operations.data()[i].in_place_of == tensors[k])
          here += spine_.operations.data()[i].outputs;
      }
      most = here > most ? here : most;
    }
    const int rest = last_change + 1 > begin ? last_change + 1 : begin;
    if (rest < end && pass.highest.data()[rest] > 0 && pass.highest.data()[rest] + constant > most)
      most = pass.highest.data()[rest] + constant;
    return most;
  }

 private:
  constexpr bool is_in_place(const spine_pass& pass, int i) const {
    const spine_operation& o = spine_.operations.data()[i];
    return o.in_place_of != core::none && !(pass.is_first && o.updates_state);
  }
  static constexpr bool are_same(const core::list<int>& a, const core::list<int>& b) {
    if (a.count() != b.count()) return false;
    for (int k = 0; k < a.count(); ++k)
      if (a.data()[k] != b.data()[k]) return false;
    return true;
  }

  constexpr spine_pass make(spine_end segment, bool is_first, frontier_set kept, const core::list<int>& given) const {
    const int end = segment.at;
    const std::size_t operations = static_cast<std::size_t>(end);
    spine_pass made{is_first,
                    kept,
                    given,
                    core::list<std::uint8_t>(operations),
                    core::list<double>(operations + 1),
                    core::list<int>(operations),
                    core::list<int>(operations + 1),
                    core::list<int>(p_.tensors.size(), -1)};
    const core::list<int>& front = spine_.frontier[end];
    for (int k = 0; k < front.count(); ++k)
      if (kept >> k & 1) made.last_use[front[k]] = end;
    for (const spine_needs::boundary& each : needs_.boundaries(segment))
      if (!core::is_among(given, each.tensor)) made.last_use[each.tensor] = end;
    for (int i = end; i-- > 0;) {
      const operation& o = p_.operations[spine_.first + i];
      bool runs = is_first;
      for (const auto* some : {&o.outputs, &o.saved})
        for (int t : *some) runs = runs || made.last_use[t] >= 0;
      made.cost[i] = made.cost[i + 1] + (runs ? spine_.operations[i].forward : 0);
      if (!runs) continue;
      made.runs[i] = 1;
      for (int t : o.inputs)
        if (made.last_use[t] < i && !core::is_among(given, t)) made.last_use[t] = i;
    }
    add_live(made, end);
    return made;
  }

  constexpr void add_live(spine_pass& made, int end) const {
    int live = 0;
    for (int t : spine_.frontier[0])
      if (made.last_use[t] >= 0) live += spine_.weight[t];
    if (!made.is_first)
      for (int t = 0; t < p_.tensors.count(); ++t)  // has been there since the first pass
        if (needs_.comes_in(t) && spine_.producer[t] >= 0 && made.last_use[t] >= 0) live += spine_.weight[t];
    for (int i = 0; i < end; ++i) {
      const operation& o = p_.operations[spine_.first + i];
      const spine_operation& here = spine_.operations[i];
      if (made.runs[i]) {
        made.live[i] = live + here.made - (made.is_first ? 0 : here.comes_in);
        if (is_in_place(made, i) && made.last_use[here.in_place_of] == i) {
          made.live[i] -= here.outputs;
        } else if (here.skips_outputs && !made.is_first) {
          for (int t : o.outputs)
            if (made.last_use[t] < 0) made.live[i] -= spine_.weight[t];
        }
      }
      for (const auto* some : {&o.outputs, &o.saved})
        for (int t : *some)
          if (made.last_use[t] > i) live += spine_.weight[t];
      for (int k = 0; k < o.inputs.size; ++k) {
        const int t = o.inputs.values[k];
        if (!is_new_input(o, k) || (spine_.producer[t] < 0 && !is_at_start(t))) continue;
        const bool begins = spine_.producer[t] == i && made.is_first;
        if (begins && made.last_use[t] > i) live += spine_.weight[t];
        if (!begins && made.last_use[t] == i) live -= spine_.weight[t];
      }
    }
    for (int i = end; i-- > 0;)
      made.highest[i] = made.live[i] > made.highest[i + 1] ? made.live[i] : made.highest[i + 1];
  }
  constexpr bool is_at_start(int t) const {
    for (int each : spine_.frontier[0])
      if (each == t) return true;
    return false;
  }

  const program& p_;
  const spine& spine_;
  const spine_needs& needs_;
  core::list<core::list<spine_pass>> made_;
};

}  // namespace remat::detail
