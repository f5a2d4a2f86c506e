// SPDX-License-Identifier: MIT
/// Segments: the runs of operations that the checkpoints of a program drop and compute again.
///
/// A checkpointed module is one segment. A checkpointed sequential is cut into groups of its children, N at a time;
/// a group ends where the stage changes, and grouping starts anew there: a b | c d e in threes gives (a b) (c d e).
/// Segments nest as checkpoints do. A user's value for a path (`checkpoint_at`) stands in place of a tag.
#pragma once

#include <remat/core/error.hpp>
#include <remat/model/program.hpp>

#include <string>

namespace remat {

struct segment {
  int first = 0, last = 0;  ///< operations [first, last)
  int parent = none;        ///< the segment around it
  int node = 0;             ///< whose checkpoint it is
  checkpoint_setting setting = {};
};

namespace detail {

constexpr void add_segment(const program& p, list<segment>& found, segment s) {
  if (s.first == s.last) return;  // fused into the one before it
  s.setting = p.nodes[s.node].checkpoint;
  // The same operations twice: the inner checkpoint has nothing left to say.
  if (s.parent != none && found[s.parent].first == s.first && found[s.parent].last == s.last) return;
  found.push_back(s);
}

constexpr void find_segments(const program& p, int n, int parent, list<segment>& found) {
  const node& here = p.nodes[n];
  if (!here.checkpoint) {
    for (int c = n + 1; c < here.end; c = p.nodes[c].end) find_segments(p, c, parent, found);
    return;
  }
  if (!here.is_sequential) {
    const int before = found.count();
    add_segment(p, found, {here.first, here.last, parent, n, {}});
    const int mine = found.count() > before ? before : parent;
    for (int c = n + 1; c < here.end; c = p.nodes[c].end) find_segments(p, c, mine, found);
    return;
  }
  for (int begin = n + 1; begin < here.end;) {
    int end = p.nodes[begin].end;
    for (std::size_t members = 1; end < here.end && members < here.checkpoint.children; ++members) {
      if (p.nodes[end].stage != p.nodes[begin].stage) break;
      end = p.nodes[end].end;
    }
    const int before = found.count();
    int last = p.nodes[begin].first;
    for (int c = begin; c < end; c = p.nodes[c].end) last = p.nodes[c].last;
    add_segment(p, found, {p.nodes[begin].first, last, parent, n, {}});
    const int mine = found.count() > before ? before : parent;
    for (int c = begin; c < end; c = p.nodes[c].end) find_segments(p, c, mine, found);
    begin = end;
  }
}

}  // namespace detail

/// The segments of a program; a segment stands before those inside it, and siblings stand in program order.
constexpr list<segment> segments_of(const program& p) {
  list<segment> found;
  for (int n = 0; n < p.nodes.count(); n = p.nodes[n].end) detail::find_segments(p, n, none, found);
  return found;
}

}  // namespace remat
