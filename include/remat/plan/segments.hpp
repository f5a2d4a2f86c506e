// SPDX-License-Identifier: MIT
/// Segments: the runs of operations that the checkpoints of a program drop and compute again.
///
/// A checkpointed module is one segment. A checkpointed sequential is cut into groups of its children, N at a time; a
/// group ends where the stage changes, and grouping starts anew there: a b | c d e in threes gives (a b) (c d e).
/// Segments nest as checkpoints do. A user's value for a path (`checkpoint_at`) stands in place of a tag.
///
/// No segment crosses a stage. What would is left out, and everything else stays:
///
/// | lies on two stages                     | then                                                                 |
/// |----------------------------------------|----------------------------------------------------------------------|
/// | a checkpointed module, no sequential   | it is no segment; checkpoints inside it still count                  |
/// | a child of a checkpointed sequential   | it is in no group: one ends before it, the next begins behind it;    |
/// |                                        | checkpoints inside it still count                                    |
///
/// `ignored_checkpoints` names them.
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

namespace remat {

struct segment {
  int first = 0, last = 0;  ///< operations [first, last)
  int parent = none;        ///< the segment around it
  int node = 0;             ///< whose checkpoint it is
  checkpoint_setting setting = {};
};

/// A module whose checkpoint, or whose place in a checkpointed sequential, is ignored, since it lies on two stages.
struct ignored_checkpoint {
  int node = 0;
  stage_range stages = {};
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

/// One past the last of the siblings from `begin` on that lie on its stage, and on no other.
constexpr int end_of_stage(const program& p, int begin, int end) {
  const int stage = stages_of(p, begin).first;
  for (; begin < end; begin = p.nodes[begin].end) {
    const stage_range here = stages_of(p, begin);
    if (here.first != stage || here.last != stage) break;
  }
  return begin;
}

/// One past the last of `children` siblings from `begin` on.
constexpr int end_of_group(const program& p, int begin, int end, std::size_t children) {
  begin = p.nodes[begin].end;  // a group of none, which its own rule refuses, would have no end here
  for (; begin < end && children > 1; --children) begin = p.nodes[begin].end;
  return begin;
}

constexpr std::size_t siblings(const program& p, int begin, int end) {
  std::size_t count = 0;
  for (; begin < end; begin = p.nodes[begin].end) ++count;
  return count;
}

/// The operations of the siblings from `begin` to `end`, as a segment.
constexpr segment segment_over(const program& p, int begin, int end, int parent, int n,
                               const checkpoint_setting& setting) {
  segment s{p.nodes[begin].first, p.nodes[begin].last, parent, n, setting};
  for (; begin < end; begin = p.nodes[begin].end) s.last = p.nodes[begin].last;
  return s;
}

/// What a checkpoint says on a stage that may have a policy of its own.
constexpr checkpoint_setting setting_on_stage(const program& p, int stage, const checkpoint_setting& given) {
  checkpoint_setting setting = given;
  for (const stage_policy& own : p.stage_policies) {
    if (own.stage != stage) continue;
    setting.policy = own.setting.policy;
    setting.decide = own.setting.decide;
    setting.plan = own.setting.plan;
    setting.plans_segments = own.setting.plans_segments;
    if (!own.setting.cuts_chains) continue;
    setting.links = own.setting.links;
    setting.cuts_chains = true;
  }
  return setting;
}

/// Whether the stage has a policy of its own that keeps everything.
constexpr bool is_unchecked_stage(const program& p, int stage) {
  for (const stage_policy& own : p.stage_policies)
    if (own.stage == stage && own.setting.decide == &save_all::decide) return true;
  return false;
}

struct segment_search {
  const program& p;
  list<segment> found = {};
  list<ignored_checkpoint> ignored = {};

  constexpr void run() {
    for (int n = 0; n < p.nodes.count(); n = p.nodes[n].end) visit(n, 0, n + 1, p.nodes[n].end, none);
  }

 private:
  /// Node n inside segment `parent`, from its checkpoint number `depth` on; of a sequential, the children from `begin`
  /// to `end`.
  constexpr void visit(int n, int depth, int begin, int end, int parent) {
    const node& here = p.nodes[n];
    if (depth == here.checkpoints.size) {
      for (int c = begin; c < end; c = p.nodes[c].end) visit(c, 0, c + 1, p.nodes[c].end, parent);
    } else if (here.is_sequential) {
      cut(n, depth, begin, end, parent);
    } else {
      const bool stays = stages_of(p, n).is_one();
      if (!stays) ignore(n);
      const int mine = stays ? add({here.first, here.last, parent, n, here.checkpoints[depth]}) : parent;
      visit(n, depth + 1, begin, end, mine);
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
  constexpr void cut(int n, int depth, int begin, int end, int parent) {
    const checkpoint_setting& given = p.nodes[n].checkpoints[depth];
    checkpoint_setting of_stage;
    while (begin < end) {
      const stage_range stages = stages_of(p, begin);
      if (!stages.is_one()) {
        ignore(begin);
        visit(n, depth + 1, begin, p.nodes[begin].end, parent);
        begin = p.nodes[begin].end;
        continue;
      }
      if (!p.stage_policies.empty()) of_stage = setting_on_stage(p, stages.first, given);
      const checkpoint_setting& setting = p.stage_policies.empty() ? given : of_stage;
      const int run = end_of_stage(p, begin, end);
      const std::size_t most = setting.cuts_chains ? setting.links(siblings(p, begin, run)) : setting.children;
      const bool ends_chain =
          setting.cuts_chains && run == end && (parent != none || stages.first == p.operations.back().stage);
      while (begin < run) {
        const int next = end_of_group(p, begin, run, most);
        const bool is_dropped = !ends_chain || next < end;
        const int mine = is_dropped ? add(segment_over(p, begin, next, parent, n, setting)) : parent;
        visit(n, depth + 1, begin, next, mine);
        begin = next;
      }
    }
  }

  constexpr void ignore(int n) {
    for (const ignored_checkpoint& known : ignored)
      if (known.node == n) return;
    ignored.push_back({n, stages_of(p, n)});
  }
};

}  // namespace detail

/// The segments of a program; a segment stands before those inside it, and siblings stand in program order.
constexpr list<segment> segments_of(const program& p) {
  detail::segment_search search{p};
  search.run();
  return static_cast<list<segment>&&>(search.found);
}

/// The modules whose checkpoint is ignored under the stages of the program, outer ones first.
constexpr list<ignored_checkpoint> ignored_checkpoints(const program& p) {
  detail::segment_search search{p};
  search.run();
  return static_cast<list<ignored_checkpoint>&&>(search.ignored);
}

}  // namespace remat
