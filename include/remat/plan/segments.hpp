// SPDX-License-Identifier: MIT
/// Segments: the runs of operations that the checkpoints of a program drop and compute again.
///
/// A checkpointed module is one segment. A checkpointed sequential is cut into groups of its children, N at a time; a
/// group ends where the stage changes, and grouping starts anew there: a b | c d e in threes gives (a b) (c d e).
/// Segments nest as checkpoints do. A user's value for a path (`checkpoint_at`) replaces a tag.
///
/// No segment crosses a stage. What would is divided or left out, and everything else stays:
///
/// | is on two stages                       | then                                                                 |
/// |----------------------------------------|----------------------------------------------------------------------|
/// | a checkpointed module, no sequential   | it is no segment; checkpoints inside it still count                  |
/// | a child of a checkpointed sequential,  | each stage's part of it counts as a child on that stage              |
/// | itself a sequential                    | (checkpoint_parts.hpp)                                               |
/// | any other child of one                 | it is in no group: one ends before it, the next begins after it;     |
/// |                                        | checkpoints inside it still count                                    |
///
/// `split_checkpoints` and `ignored_checkpoints` name them.
///
/// A stage may have a policy of its own (`program::stage_policies`), which all checkpoints on it take; their groups
/// stay unless it brings its own. Under `save_all` the stage has no segments.
///
/// A chain policy (`every<K>`, `square_root`) brings the size of its groups, from the children that stand together on
/// one stage. The last group of a chain is left as it is, since what it would drop is computed again at once. That
/// holds where the chain ends on the last stage, or inside another segment, whose recomputation goes straight on to
/// the backward pass; before another stage, a group waits until the micro-batch comes back, and is dropped as any
/// other.
#pragma once

#include <remat/model/program.hpp>
#include <remat/model/stage_range.hpp>
#include <remat/plan/checkpoint_parts.hpp>
#include <remat/plan/slice.hpp>
#include <remat/plan/stage_settings.hpp>

namespace remat {

struct segment {
  int first = 0, last = 0;  ///< operations [first, last)
  int parent = none;        ///< the segment around it
  int node = 0;             ///< whose checkpoint it is
  checkpoint_setting setting = {};
};

namespace detail {

/// Adds a segment inside `parent` and returns it; or `parent`, where it would hold no operation (all are fused into the
/// one before it) or the same as `parent`, so that there is nothing left to say.
constexpr int add_segment(list<segment>& found, const segment& s) {
  const bool repeats = s.parent != none && found[s.parent].first == s.first && found[s.parent].last == s.last;
  if (s.first == s.last || repeats) return s.parent;
  found.push_back(s);
  return found.count() - 1;
}

struct segment_search {
  const program& p;
  list<segment> found = {};
  list<ignored_checkpoint> ignored = {};  // by node: outer ones first
  list<split_checkpoint> split = {};      // by node

  /// Of every stage, or of one.
  constexpr void run(int stage = none) {
    for (stage_window w; w.last < p.operations.count();) {
      w = {p.operations[w.last].stage, w.last, w.last};
      while (w.last < p.operations.count() && p.operations[w.last].stage == w.stage) ++w.last;
      if (stage == none || stage == w.stage) visit_children(0, p.nodes.count(), w, none);
    }
  }

 private:
  /// One of the groups of a checkpointed sequential's children is made of these: a child, or its part on the stage.
  struct unit {
    int node, first, last;
  };

  constexpr void visit_children(int begin, int end, const stage_window& w, int parent) {
    each_in_window(p, w, begin, end, [&](int c) {
      const node& child = p.nodes[c];
      const stage_window mine{w.stage, child.first > w.first ? child.first : w.first,
                              child.last < w.last ? child.last : w.last};
      visit(c, 0, c + 1, child.end, mine, parent);
    });
  }

  /// What the window, which is within node n, has of it, inside segment `parent`, from the node's checkpoint number
  /// `depth` on; of a sequential, the children from `begin` to `end`.
  constexpr void visit(int n, int depth, int begin, int end, const stage_window& w, int parent) {
    const node& here = p.nodes[n];
    if (depth == here.checkpoints.size) {
      visit_children(begin, end, w, parent);
    } else if (here.is_sequential) {
      cut(n, depth, begin, end, w, parent);
    } else {
      const bool stays = contains(w, here);
      if (!stays) ignore(n);
      const int mine = stays ? add({here.first, here.last, parent, n, here.checkpoints[depth]}) : parent;
      visit(n, depth + 1, begin, end, w, mine);
    }
  }

  constexpr int add(segment s) {
    if (!p.stage_policies.empty() && s.first < s.last) {
      const int stage = p.operations[s.first].stage;
      if (is_unchecked_stage(p, stage)) return s.parent;
      s.setting = setting_on_stage(p, stage, s.setting);
    }
    return add_segment(found, s);
  }

  /// The children of a checkpointed sequential, in groups.
  constexpr void cut(int n, int depth, int begin, int end, const stage_window& w, int parent) {
    const list<unit> units = units_of(begin, end, w);
    if (units.empty()) return visit(n, depth + 1, begin, end, w, parent);
    visit_ignored(n, depth, begin, end, {w.stage, w.first, units[0].first}, parent);
    const checkpoint_setting& given = p.nodes[n].checkpoints[depth];
    const checkpoint_setting setting = p.stage_policies.empty() ? given : setting_on_stage(p, w.stage, given);
    const std::size_t most = setting.cuts_chains ? setting.links(units.size()) : setting.children;
    const bool ends_chain = setting.cuts_chains && (parent != none || w.stage == p.operations.back().stage);
    for (int first = 0; first < units.count();) {
      int last = first + 1;  // a group of none, which its own rule refuses, would have no end here
      while (last < units.count() && static_cast<std::size_t>(last - first) < most) ++last;
      const stage_window group{w.stage, units[first].first, units[last - 1].last};
      const bool is_dropped = !ends_chain || last < units.count();
      const int mine = is_dropped ? add({group.first, group.last, parent, n, setting}) : parent;
      visit(n, depth + 1, units[first].node, p.nodes[units[last - 1].node].end, group, mine);
      first = last;
    }
    visit_ignored(n, depth, begin, end, {w.stage, units.back().last, w.last}, parent);
  }

  /// What cannot be divided, at the start or end of a stage, is in no group; checkpoints inside it still count.
  constexpr void visit_ignored(int n, int depth, int begin, int end, const stage_window& w, int parent) {
    if (w.first < w.last) visit(n, depth + 1, begin, end, w, parent);
  }

  constexpr list<unit> units_of(int begin, int end, const stage_window& w) {
    list<unit> units;
    each_in_window(p, w, begin, end, [&](int c) {
      const stage_window part = part_in_window(p, w, c, [this](int inside) { ignore(inside); });
      const bool is_whole = contains(w, p.nodes[c]);
      if (!is_whole && part.first == part.last) return;
      if (!is_whole) split_at(c, part);
      units.push_back({c, part.first, part.last});
    });
    return units;
  }

  constexpr void ignore(int n) {
    int at = ignored.count();
    while (at > 0 && ignored[at - 1].node > n) --at;
    if (at > 0 && ignored[at - 1].node == n) return;
    ignored.push_back({n, stages_of(p, n)});
    for (int i = ignored.count() - 1; i > at; --i) ignored[i] = ignored[i - 1];
    ignored[at] = {n, stages_of(p, n)};
  }

  /// Stages come in order, and the part of the outermost checkpoint first, which is all of it.
  constexpr void split_at(int n, const checkpoint_part& part) {
    int at = split.count();
    while (at > 0 && split[at - 1].node > n) --at;
    if (at == 0 || split[at - 1].node < n) {
      split.push_back({});
      for (int i = split.count() - 1; i > at; --i) split[i] = static_cast<split_checkpoint&&>(split[i - 1]);
      split[at] = {n, {}};
      ++at;
    }
    list<checkpoint_part>& parts = split[at - 1].parts;
    if (parts.empty() || parts.back().stage < part.stage) parts.push_back(part);
  }
};

}  // namespace detail

/// The segments of a program; a segment is before those inside it, and siblings stand in program order.
constexpr list<segment> segments_of(const program& p) {
  detail::segment_search search{p};
  search.run();
  return static_cast<list<segment>&&>(search.found);
}
/// Those of a slice.
constexpr list<segment> segments_of(const program& p, const slice& covered) {
  detail::segment_search search{p};
  search.run(covered.stage);
  return static_cast<list<segment>&&>(search.found);
}

/// The modules whose checkpoint is ignored under the stages of the program, outer ones first.
constexpr list<ignored_checkpoint> ignored_checkpoints(const program& p) {
  detail::segment_search search{p};
  search.run();
  return static_cast<list<ignored_checkpoint>&&>(search.ignored);
}

/// The children of checkpointed sequentials that are checkpointed in parts under the stages of the program.
constexpr list<split_checkpoint> split_checkpoints(const program& p) {
  detail::segment_search search{p};
  search.run();
  return static_cast<list<split_checkpoint>&&>(search.split);
}

}  // namespace remat
