// SPDX-License-Identifier: MIT
/// Checkpoints that are on several stages: which of them are checkpointed in parts, and which are ignored.
///
/// A child of a checkpointed sequential that is itself a sequential is checkpointed in parts, one on each stage; so is
/// a child of its own that is a sequential and is on two stages, and so on. What is on two stages and is no sequential
/// cannot be divided: it is in no part: one ends before it, the next begins after it. With one stage up to k and the
/// next from l on, a checkpointed sequential (a b c) whose child b is (x y z), and whose y is (k l), has under
/// strategy::contiguous the segments
///
///     (a x k) (l z c)      where y is a sequential
///     (a x) (z c)          where y is a residual block: it is ignored
#pragma once

#include <remat/model/program.hpp>
#include <remat/model/stage_range.hpp>

#include <string>

namespace remat {

/// A module whose checkpoint, or whose place in a checkpointed sequential, is ignored, since it is on two stages.
struct ignored_checkpoint {
  int node = 0;
  stage_range stages = {};
};

/// The operations [first, last) of a checkpointed module that are on a stage.
struct checkpoint_part {
  int stage = 0;
  int first = 0, last = 0;
};

/// A child of a checkpointed sequential that is on several stages and is checkpointed in parts.
struct split_checkpoint {
  int node = 0;
  core::list<checkpoint_part> parts = {};  ///< by stage; none where all that the stage has of it is ignored
};

namespace detail {

/// Operations [first, last) of one stage.
using stage_window = checkpoint_part;

constexpr bool contains(const stage_window& w, const module_node& n) { return n.first >= w.first && n.last <= w.last; }

/// What of node n is in the window, which meets it.
constexpr stage_window overlap(const stage_window& w, const module_node& n) {
  return {w.stage, n.first > w.first ? n.first : w.first, n.last < w.last ? n.last : w.last};
}

/// Whether the window holds an operation of node n, or n is fused into an operation of the window.
constexpr bool meets(const program& p, const stage_window& w, int n) {
  const module_node& here = p.nodes[n];
  if (here.first < here.last) return here.first < w.last && here.last > w.first;
  return contains(w, here) && stages_of(p, n).first == w.stage;
}

/// Calls `visit` for each of the siblings from `begin` to `end` that the window meets.
template <class Visit>
constexpr void each_in_window(const program& p, const stage_window& w, int begin, int end, const Visit& visit) {
  for (; begin < end && p.nodes[begin].first <= w.last; begin = p.nodes[begin].end)
    if (meets(p, w, begin)) visit(begin);
}

/// The part of node n in the window, without what cannot be divided; `ignore` is called for each such module.
template <class Ignore>
constexpr stage_window part_in_window(const program& p, const stage_window& w, int n, const Ignore& ignore) {
  const module_node& here = p.nodes[n];
  if (contains(w, here)) return {w.stage, here.first, here.last};
  stage_window part{w.stage, 0, 0};
  if (!here.is_sequential) {
    ignore(n);
    return part;
  }
  each_in_window(p, w, n + 1, here.end, [&](int child) {
    const stage_window of_child = part_in_window(p, w, child, ignore);
    if (of_child.first == of_child.last) return;
    if (part.first == part.last) part.first = of_child.first;
    part.last = of_child.last;
  });
  return part;
}

/// The checkpoints of a program that its stages divide, as a search meets them, by node: outer ones first.
class divided_checkpoints {
 public:
  constexpr divided_checkpoints(const program& p)
      : p_(&p) {}  // NOLINT(google-explicit-constructor): one of its members

  constexpr void ignore(int n) {
    const int at = place(ignored_, n);
    if (at > 0 && ignored_[at - 1].node == n) return;
    insert(ignored_, at, {n, stages_of(*p_, n)});
  }
  /// Stages come in order, and the part of the outermost checkpoint first, which is all of it.
  constexpr void split(int n, const checkpoint_part& part) {
    if (stages_of(*p_, n).is_one()) return;
    int at = place(split_, n);
    if (at == 0 || split_[at - 1].node < n) insert(split_, at++, {n, {}});
    core::list<checkpoint_part>& parts = split_[at - 1].parts;
    if (parts.empty() || parts.back().stage < part.stage) parts.push_back(part);
  }

  constexpr const core::list<ignored_checkpoint>& ignored() const { return ignored_; }
  constexpr const core::list<split_checkpoint>& split() const { return split_; }

 private:
  template <class Checkpoint>
  static constexpr int place(const core::list<Checkpoint>& all, int n) {
    int at = all.count();
    while (at > 0 && all[at - 1].node > n) --at;
    return at;
  }
  template <class Checkpoint>
  static constexpr void insert(core::list<Checkpoint>& all, int at, Checkpoint one) {
    all.push_back({});
    for (int i = all.count() - 1; i > at; --i) all[i] = static_cast<Checkpoint&&>(all[i - 1]);
    all[at] = static_cast<Checkpoint&&>(one);
  }

  const program* p_;
  core::list<ignored_checkpoint> ignored_ = {};
  core::list<split_checkpoint> split_ = {};
};

/// The largest module of node n that is within a part of it and holds this operation.
constexpr int module_at(const program& p, int n, const checkpoint_part& part, int operation) {
  while (!contains(part, p.nodes[n]) && p.nodes[n].end > n + 1) {
    const int end = p.nodes[n].end;
    ++n;
    while (p.nodes[n].last <= operation && p.nodes[n].end < end) n = p.nodes[n].end;
  }
  return n;
}

}  // namespace detail

/// "blocks.0 to blocks.5".
inline std::string part_text(const program& p, int n, const checkpoint_part& part) {
  const std::string first = path_of(p, detail::module_at(p, n, part, part.first));
  const std::string last = path_of(p, detail::module_at(p, n, part, part.last - 1));
  return first == last ? first : first + " to " + last;
}

/// "checkpointing 'blocks' in parts: blocks.0 to blocks.5 on stage 0, blocks.6 to blocks.11 on stage 1".
inline std::string split_checkpoint_text(const program& p, const split_checkpoint& split) {
  std::string text = "checkpointing " + quoted_path(p, split.node) + " in parts";
  for (int i = 0; i < split.parts.count(); ++i)
    text += (i == 0 ? ": " : ", ") + part_text(p, split.node, split.parts[i]) + " on stage " +
            std::to_string(split.parts[i].stage);
  return text;
}

}  // namespace remat
