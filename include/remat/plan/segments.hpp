// SPDX-License-Identifier: MIT
/// Segments: the runs of operations that the checkpoints of a program drop and compute again.
///
/// A checkpointed module is one segment. A checkpointed sequential is cut into groups of its children, N at a time;
/// a group ends where the stage changes, and grouping starts anew there: a b | c d e in threes gives (a b) (c d e).
/// Segments nest as checkpoints do. A user's value for a path (`checkpoint_at`) stands in place of a tag.
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
    int next = p.nodes[begin].end, last = p.nodes[begin].last;
    for (std::size_t members = 1; next < end && members < setting.children; ++members) {
      if (p.nodes[next].stage != p.nodes[begin].stage) break;
      last = p.nodes[next].last;
      next = p.nodes[next].end;
    }
    const int mine = add_segment(found, {p.nodes[begin].first, last, parent, n, setting});
    find_segments(p, n, depth + 1, begin, next, mine, found);
    begin = next;
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
