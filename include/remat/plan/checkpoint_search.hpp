// SPDX-License-Identifier: MIT
/// The search for a program's segments: where its checkpoints and strategies begin and end, on every stage. No policy
/// is asked what it keeps.
#pragma once

#include <remat/core/error.hpp>
#include <remat/model/program.hpp>
#include <remat/model/stage_range.hpp>
#include <remat/plan/checkpoint_parts.hpp>
#include <remat/plan/segment_boundaries.hpp>

namespace remat::detail {

/// A segment whose policy has not been asked yet.
struct found_segment {
  int first = 0, last = 0;  // operations [first, last)
  int parent = core::none;
  int node = 0;
  const policy_setting* policy = nullptr;  // in the program
};

/// Whether segment s, or one around it, has a budget, which says what is inside. None has one.
constexpr bool is_in_budget(const core::list<found_segment>& found, int s) {
  for (; s != core::none; s = found[s].parent)
    if (found[s].policy->has_budget()) return true;
  return false;
}

/// Adds a segment inside `parent` and returns it; or `parent`, where it would hold no operation (all are fused into the
/// one before it) or the same as `parent`: there is nothing left to say then, but by a budget, which says what is kept,
/// and inside of another budget sets a limit of its own.
constexpr int add_segment(core::list<found_segment>& found, const found_segment& s) {
  const bool repeats = s.parent != core::none && found[s.parent].first == s.first && found[s.parent].last == s.last;
  const bool limits = s.policy->has_budget() && is_in_budget(found, s.parent);
  if (repeats && s.policy->has_budget() && !limits) found[s.parent].policy = s.policy;
  if (s.first == s.last || (repeats && !limits)) return s.parent;
  found.push_back(s);
  return found.count() - 1;
}

struct segment_search {
  const program& p;
  core::list<found_segment> found = {};
  divided_checkpoints divided = {p};

  /// Of every stage, or of one.
  constexpr void run(int stage = core::none) {
    for (stage_window w; w.last < p.operations.count();) {
      w = {p.operations[w.last].stage, w.last, w.last};
      while (w.last < p.operations.count() && p.operations[w.last].stage == w.stage) ++w.last;
      if (stage == core::none || stage == w.stage) visit_children(0, p.nodes.count(), w, core::none);
    }
  }

 private:
  /// The groups of a checkpointed sequential's children are made of these: a child, or what one has on the stage or
  /// between two boundaries.
  struct unit {
    int child, first, last;
  };

  constexpr void visit_children(int begin, int end, const stage_window& w, int parent) {
    each_in_window(p, w, begin, end, [&](int c) {
      const module_node& child = p.nodes[c];
      visit(c, 0, c + 1, child.end, overlap(w, child), parent);
    });
  }

  /// What the window, which is within node n, has of it, inside segment `parent`, from the node's checkpoint number
  /// `depth` on; of a sequential, the children from `begin` to `end`.
  constexpr void visit(int n, int depth, int begin, int end, const stage_window& w, int parent) {
    const module_node& here = p.nodes[n];
    if (depth == here.checkpoints.count()) {
      visit_children(begin, end, w, parent);
    } else if (here.is_sequential) {
      cut(n, depth, begin, end, w, parent);
    } else {
      const bool is_whole = contains(w, here), stays = is_whole || may_divide(w.stage, here.checkpoints[depth]);
      if (!stays && !is_decided(n, depth, w.stage, parent)) divided.ignore(n);
      const int mine = stays ? add({w.first, w.last, parent, n, &here.checkpoints[depth].policy}) : parent;
      if (mine != parent && !is_whole) divided.split(n, w);
      visit(n, depth + 1, begin, end, w, mine);
    }
  }

  /// The policy that a stage has of its own, or null.
  constexpr const policy_setting* policy_of_stage(int stage) const {
    for (const stage_policy& own : p.stage_policies)
      if (own.stage == stage) return &own.policy;
    return nullptr;
  }

  /// Whether the checkpoint is a limit of the stage, which holds for what the stage has of any module.
  constexpr bool may_divide(int stage, const checkpoint_setting& given) const {
    const policy_setting* own = policy_of_stage(stage);
    return !given.is_within_one_stage() || (own != nullptr && own->has_budget());
  }

  /// Whether a budget around or inside of this checkpoint says what is kept.
  constexpr bool is_decided(int n, int depth, int stage, int parent) const {
    if (is_in_budget(found, parent)) return true;
    const core::list<checkpoint_setting>& all = p.nodes[n].checkpoints;
    for (int inner = depth + 1; inner < all.count(); ++inner)
      if (may_divide(stage, all[inner])) return true;
    return false;
  }

  constexpr int add(found_segment s) {
    if (!p.stage_policies.empty() && s.first < s.last)
      if (const policy_setting* own = policy_of_stage(p.operations[s.first].stage); own != nullptr) {
        if (own->always() == decision::keep) return s.parent;
        s.policy = own;
      }
    return add_segment(found, s);
  }

  /// What says how long the segments of a chain are, or null: the stage's own policy, or else that of the checkpoint.
  constexpr const policy_setting* chain_policy(int stage, const checkpoint_setting& given) const {
    const policy_setting* own = policy_of_stage(stage);
    if (own != nullptr && own->cuts_chains()) return own;
    return given.policy.cuts_chains() ? &given.policy : nullptr;
  }

  /// The children of a checkpointed sequential, in groups.
  constexpr void cut(int n, int depth, int begin, int end, const stage_window& w, int parent) {
    const checkpoint_setting& given = p.nodes[n].checkpoints[depth];
    const policy_setting* chain = chain_policy(w.stage, given);
    const core::list<int> boundaries = chain == nullptr ? boundaries_of(p, given.strategy) : core::list<int>();
    core::list<unit> units;
    const policy_setting* own = policy_of_stage(w.stage);
    add_units(units, begin, end, w,
              {.boundaries = boundaries,
               .may_divide = may_divide(w.stage, given),
               .is_decided = is_decided(n, depth, w.stage, parent),
               .keeps = own != nullptr && own->always() == decision::keep},
              core::none);
    if (units.empty()) return visit(n, depth + 1, begin, end, w, parent);
    visit_ignored(n, depth, begin, end, {w.stage, w.first, units[0].first}, parent);
    const std::size_t most = chain != nullptr ? chain->links(units.size()) : given.strategy.children();
    const bool ends_chain = chain != nullptr && (parent != core::none || w.stage == p.operations.back().stage);
    for (int first = 0; first < units.count();) {
      int last = first + 1;  // a group of none, which its own rule refuses, would have no end here
      while (last < units.count() && static_cast<std::size_t>(last - first) < most &&
             !core::is_among(boundaries, units[last].first))
        ++last;
      const stage_window group{w.stage, units[first].first, units[last - 1].last};
      const bool is_dropped = !ends_chain || last < units.count();
      const int mine = is_dropped ? add({group.first, group.last, parent, n, &given.policy}) : parent;
      core::list<chain_segment> nested;
      if (chain != nullptr) nested = chain->nested(static_cast<std::size_t>(last - first));
      if (nested.empty())
        visit(n, depth + 1, units[first].child, p.nodes[units[last - 1].child].end, group, mine);
      else
        nest(n, depth, units, first, last, nested, mine);
      first = last;
    }
    visit_ignored(n, depth, begin, end, {w.stage, units.back().last, w.last}, parent);
  }

  /// The children [first, last) of a group in the segments that a chain policy nests: a run of them that has the same
  /// innermost segment is visited at once.
  constexpr void nest(int n, int depth, const core::list<unit>& units, int first, int last,
                      const core::list<chain_segment>& nested, int parent) {
    struct open_segment {
      int last, number;
    };
    core::list<open_segment> open;
    open.push_back({last, parent});
    int done = first;
    const auto advance = [&](int to) {
      if (done == to) return;
      const stage_window run{p.operations[units[done].first].stage, units[done].first, units[to - 1].last};
      visit(n, depth + 1, units[done].child, p.nodes[units[to - 1].child].end, run, open.back().number);
      done = to;
    };
    const auto close_before = [&](int place) {
      for (; open.count() > 1 && open.back().last <= place; open.pop_back()) advance(open.back().last);
    };
    for (const chain_segment& each : nested) {
      const int begin = first + static_cast<int>(each.first), end = first + static_cast<int>(each.last);
      close_before(begin);
      if (begin < done || begin >= end || end > open.back().last)
        throw error(
            "a chain policy gives a nested segment that is not inside of the one around it, or before an earlier one; "
            "give them in preorder: two of them are apart, or one holds the other");
      advance(begin);
      const int number =
          add({units[begin].first, units[end - 1].last, open.back().number, n, &p.nodes[n].checkpoints[depth].policy});
      open.push_back({end, number});
    }
    close_before(last);
    advance(last);
  }

  /// What cannot be divided, at the start or end of a stage, is in no group; checkpoints inside it still count.
  constexpr void visit_ignored(int n, int depth, int begin, int end, const stage_window& w, int parent) {
    if (w.first < w.last) visit(n, depth + 1, begin, end, w, parent);
  }

  struct unit_rule {
    const core::list<int>& boundaries;
    bool may_divide;  // any module
    bool is_decided;  // what is kept, by a budget
    bool keeps;       // everything: there will be no segments
  };

  /// What the groups of siblings are made of. A sequential that a boundary is inside of counts as its children.
  constexpr void add_units(core::list<unit>& units, int begin, int end, const stage_window& w, const unit_rule& how,
                           int child) {
    each_in_window(p, w, begin, end, [&](int c) {
      const module_node& here = p.nodes[c];
      const int top = child == core::none ? c : child;
      if (is_cut(here, how.boundaries)) return add_units(units, c + 1, here.end, w, how, top);
      const stage_window part = how.may_divide ? overlap(w, here) : part_in_window(p, w, c, [&](int inside) {
        if (!how.is_decided) divided.ignore(inside);
      });
      const bool is_whole = contains(w, here);
      if (!is_whole && part.first == part.last) return;
      if (!is_whole && !how.keeps) divided.split(c, part);
      units.push_back({top, part.first, part.last});
    });
  }
};

}  // namespace remat::detail
