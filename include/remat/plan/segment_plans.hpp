// SPDX-License-Identifier: MIT
/// What each segment keeps for its backward pass, and which operations it computes again.
///
/// A segment's backward reads some tensors. Those that may stay (made outside the segment, read outside of it, or kept
/// by its policy) wait for it; the others are computed again, and what their recomputation reads is traced back in the
/// same way, no further than needed. So recomputation stops early, nothing is computed again that nobody reads, and of
/// a segment's inputs and outputs only those wait that somebody reads.
///
/// Next to its neighbours, a segment may keep more than no checkpoint would (a pool's input instead of its indices):
/// such a segment is left plain, unless it was chosen for a budget.
#pragma once

#include <remat/core/list.hpp>
#include <remat/model/program.hpp>
#include <remat/plan/backward_needs.hpp>
#include <remat/plan/last_reads.hpp>
#include <remat/plan/segment.hpp>
#include <remat/plan/slice.hpp>
#include <remat/plan/tensor_set.hpp>

#include <cstddef>

namespace remat {

namespace detail {

class segment_analysis {
 public:
  constexpr segment_analysis(const program& p, const slice& covered, const core::list<segment>& segments,
                             const core::list<backward_need>& needs, std::size_t batch)
      : p_(p),
        covered_(covered),
        segments_(segments),
        batch_(batch),
        needs_(needs),
        last_read_(last_reads(p)),
        seen_(p.tensors.size()),
        wanted_(p.tensors.size()),
        keepers_(p.tensors.size()),
        computes_again_(segments.size()) {
    for (const segment& s : segments) {
      plans_.push_back({});
      parents_.push_back(s.parent);
    }
  }

  constexpr core::list<segment_plan> run() {
    for (int s = segments_.count(); s-- > 0;) analyse(s);  // inner segments come after outer ones
    dissolve_where_it_pays_nothing(core::none);
    return static_cast<core::list<segment_plan>&&>(plans_);
  }

 private:
  /// The first segment directly inside `parent` at or after `s`; or the number of segments. Segments are in
  /// preorder, so the search ends where `parent` does.
  constexpr int next_child(int s, int parent) const {
    const int last = parent == core::none ? covered_.last : segments_[parent].last;
    for (; s < segments_.count() && segments_[s].first < last; ++s)
      if (parents_[s] == parent) return s;
    return segments_.count();
  }
  constexpr int first_child(int parent) const { return next_child(parent + 1, parent); }

  /// Calls f(tensor) for all that the backward pass of `s` (or of the whole program) reads at its own level, with
  /// repetitions: of its own operations, and what the segments directly inside it.
  template <class F>
  constexpr void each_read_of(int s, const F& f) const {
    const int first = s == core::none ? covered_.first : segments_[s].first;
    const int last = s == core::none ? covered_.last : segments_[s].last;
    int child = first_child(s);
    for (int i = first; i < last;) {
      if (child < segments_.count() && segments_[child].first == i) {
        for (int t : plans_[child].kept) f(t);
        i = segments_[child].last;
        child = next_child(child + 1, s);
      } else {
        each_read(p_.operations[i], needs_[i], f);
        ++i;
      }
    }
  }

  constexpr bool may_stay(const segment& s, int t) const {
    const int producer = p_.producers.data()[t];
    if (producer < s.first || producer >= s.last) return true;
    if (last_read_.data()[t] >= s.last && s.lets_stay(t)) return true;
    return s.keeps(producer);
  }

  constexpr void analyse(int index) {
    if (first_child(index) < segments_.count()) dissolve_where_it_pays_nothing(index);
    const segment& s = segments_[index];
    segment_plan& plan = plans_[index];
    seen_.clear();
    wanted_.clear();
    auto read = [&](int t) {
      if (!seen_.insert(t)) return;
      if (may_stay(s, t))
        plan.kept.push_back(t);
      else
        wanted_.insert(t);
    };
    each_read_of(index, read);
    for (int i = s.last; i-- > s.first;) {
      const operation& o = p_.operations[i];
      bool again = false;
      for (int k = 0; k < o.outputs.size; ++k) again = again || wanted_.contains(o.outputs.values[k]);
      for (int k = 0; k < o.saved.size; ++k) again = again || wanted_.contains(o.saved.values[k]);
      if (!again) continue;
      plan.recomputed.push_back(i);
      for (int t : o.inputs) read(t);
    }
    computes_again_[index] = plan.recomputed.empty() ? 0 : 1;
    for (int c = first_child(index); c < segments_.count(); c = next_child(c + 1, index))
      if (computes_again_[c]) computes_again_[index] = 1;
    if (plan.recomputed.empty()) return;
    for (int a = 0, b = plan.recomputed.count() - 1; a < b; ++a, --b) {
      const int swapped = plan.recomputed[a];
      plan.recomputed[a] = plan.recomputed[b];
      plan.recomputed[b] = swapped;
    }
    // What is computed again in any case need not wait.
    seen_.clear();
    for (int i : plan.recomputed) {
      for (int t : p_.operations[i].outputs) seen_.insert(t);
      for (int t : p_.operations[i].saved) seen_.insert(t);
    }
    const core::list<int> all = plan.kept;
    plan.kept.clear();
    for (int t : all)
      if (!seen_.contains(t)) plan.kept.push_back(t);
  }

  /// Calls f(tensor) once for each tensor that the operations [first, last) read without any checkpoint.
  template <class F>
  constexpr void each_plain_read(int first, int last, const F& f) {
    seen_.clear();
    for (int i = first; i < last; ++i)
      each_read(p_.operations[i], needs_[i], [&](int t) {
        if (seen_.insert(t)) f(t);
      });
  }

  /// Leaves segment `c` plain: its operations, and the segments inside it, then belong to the level around it.
  constexpr void dissolve(int c) {
    plans_[c].kept.clear();
    plans_[c].recomputed.clear();
    plans_[c].is_plain = true;
    const int around = parents_[c];
    for (int inner = first_child(c); inner < segments_.count(); inner = next_child(inner + 1, c))
      parents_[inner] = around;
    parents_[c] = dissolved;
  }

  /// Among the segments directly inside `parent`, dissolves those that, with their neighbours, keep more than their
  /// operations would without any checkpoint; and all of them, where together they still keep more than none would.
  constexpr void dissolve_where_it_pays_nothing(int parent) {
    while (dissolve_some(parent)) {
    }
  }

  constexpr bool dissolve_some(int parent) {
    const int first = parent == core::none ? covered_.first : segments_[parent].first;
    const int last = parent == core::none ? covered_.last : segments_[parent].last;
    each_read_of(parent, [&](int t) { keepers_[t] = 0; });  // of all that is looked at here
    for (int c = first_child(parent); c < segments_.count(); c = next_child(c + 1, parent))
      if (computes_again_[c] && !segments_[c].is_chosen)
        each_plain_read(segments_[c].first, segments_[c].last, [&](int t) { keepers_[t] = 0; });
    each_read_of(parent, [&](int t) { ++keepers_[t]; });
    bool changed = false, recomputes = false, has_chosen = false;
    for (int c = first_child(parent), next = 0; c < segments_.count(); c = next) {
      next = next_child(c + 1, parent);
      if (!computes_again_[c]) continue;
      if (segments_[c].is_chosen) {
        has_chosen = true;
        continue;
      }
      std::size_t with = 0, without = 0;
      for (int t : plans_[c].kept)
        if (--keepers_[t] == 0) with += p_.tensors[t].bytes(batch_);
      each_plain_read(segments_[c].first, segments_[c].last, [&](int t) {
        if (keepers_[t] == 0) without += p_.tensors[t].bytes(batch_);
      });
      if (with > without) {
        dissolve(c);
        changed = true;
        each_plain_read(segments_[c].first, segments_[c].last, [&](int t) { ++keepers_[t]; });
      } else {
        recomputes = true;
        for (int t : plans_[c].kept) ++keepers_[t];
      }
    }
    if (changed || !recomputes || has_chosen) return changed;
    std::size_t with = 0, without = 0;
    seen_.clear();
    each_read_of(parent, [&](int t) {
      if (seen_.insert(t)) with += p_.tensors[t].bytes(batch_);
    });
    each_plain_read(first, last, [&](int t) { without += p_.tensors[t].bytes(batch_); });
    if (with <= without) return false;
    for (int c = first_child(parent), next = 0; c < segments_.count(); c = next) {
      next = next_child(c + 1, parent);
      dissolve(c);
    }
    return true;
  }

  static constexpr int dissolved = -2;

  const program& p_;
  slice covered_;
  const core::list<segment>& segments_;
  core::list<int> parents_;  // those inside a dissolved one move to the level around it
  std::size_t batch_;
  const core::list<backward_need>& needs_;
  core::list<int> last_read_;
  tensor_set seen_, wanted_;
  core::list<int> keepers_;
  core::list<int> computes_again_;  // per segment: whether it, or one inside it, recomputes anything
  core::list<segment_plan> plans_;
};

}  // namespace detail

/// The plans of all segments of a slice at a batch.
constexpr core::list<segment_plan> plan_segments(const program& p, const slice& covered,
                                                 const core::list<segment>& segments,
                                                 const core::list<backward_need>& needs, std::size_t batch) {
  if (segments.empty()) return {};
  return detail::segment_analysis(p, covered, segments, needs, batch).run();
}

}  // namespace remat
