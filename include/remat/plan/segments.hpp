// SPDX-License-Identifier: MIT
/// Segments: the runs of operations that the checkpoints of a program drop and compute again.
///
/// A checkpointed module is one segment. A checkpointed sequential is cut into groups of its children, N at a time;
/// a group ends where the stage changes, and grouping starts anew there: a b | c d e in threes gives (a b) (c d e).
/// A chain policy (`every<K>`, `square_root`) brings the size of its groups, and its last group is left as it is, since
/// what it would drop is computed again at once. Segments nest as checkpoints do. A user's value for a path
/// (`checkpoint_at`) stands in place of a tag.
#pragma once

#include <remat/model/program.hpp>

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

/// One past the last of the siblings from `begin` on that are on its stage.
constexpr int end_of_stage(const program& p, int begin, int end) {
  const int stage = p.nodes[begin].stage;
  while (begin < end && p.nodes[begin].stage == stage) begin = p.nodes[begin].end;
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

/// The segments of node n inside `parent`, from its checkpoint number `depth` on; of a sequential, for the children
/// from `begin` to `end`.
constexpr void find_segments(const program& p, int n, int depth, int begin, int end, int parent, list<segment>& found) {
  const node& here = p.nodes[n];
  if (depth == here.checkpoints.size) {
    for (int c = begin; c < end; c = p.nodes[c].end) find_segments(p, c, 0, c + 1, p.nodes[c].end, parent, found);
    return;
  }
  const checkpoint_setting& setting = here.checkpoints[depth];
  if (!here.is_sequential) {
    const int mine = add_segment(found, {here.first, here.last, parent, n, setting});
    find_segments(p, n, depth + 1, begin, end, mine, found);
    return;
  }
  while (begin < end) {
    const int run = end_of_stage(p, begin, end);
    const std::size_t most = setting.cuts_chains ? setting.links(siblings(p, begin, run)) : setting.children;
    while (begin < run) {
      const int next = end_of_group(p, begin, run, most);
      const bool is_dropped = !setting.cuts_chains || next < end;
      const int mine = is_dropped ? add_segment(found, segment_over(p, begin, next, parent, n, setting)) : parent;
      find_segments(p, n, depth + 1, begin, next, mine, found);
      begin = next;
    }
  }
}

}  // namespace detail

/// The segments of a program; a segment stands before those inside it, and siblings stand in program order.
constexpr list<segment> segments_of(const program& p) {
  list<segment> found;
  for (int n = 0; n < p.nodes.count(); n = p.nodes[n].end)
    detail::find_segments(p, n, 0, n + 1, p.nodes[n].end, none, found);
  return found;
}

}  // namespace remat
