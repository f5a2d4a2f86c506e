// SPDX-License-Identifier: MIT
/// The tape of a step: the forward pass, and the backward pass with what the segments compute again on the way.
///
/// Where the slice halves its backward, what the gradients of parameters read is kept until they are computed, in a
/// section of their own: gradients of outputs, and values, recomputed ones among them. These are not computed a third
/// time, and a recomputation is that of the first half alone.
#pragma once

#include <remat/plan/gradient_writer.hpp>
#include <remat/plan/in_place_allocation.hpp>
#include <remat/plan/segment.hpp>
#include <remat/plan/segment_plans.hpp>
#include <remat/plan/stored_tensors.hpp>
#include <remat/plan/tape_builder.hpp>
#include <remat/plan/transfers.hpp>
#include <remat/plan/unread_outputs.hpp>
#include <remat/plan/value_writer.hpp>

#include <cstddef>

namespace remat {

namespace detail {

/// The segments that were chosen for budgets and compute something again, inside no other that does.
constexpr core::list<int> outermost_chosen(const core::list<segment>& segments, const core::list<segment_plan>& plans) {
  core::list<int> found;
  for (int s = 0; s < segments.count(); ++s) {
    bool is_outermost = segments[s].is_chosen && !plans[s].recomputed.empty();
    for (int around = segments[s].parent; around != core::none; around = segments[around].parent)
      is_outermost = is_outermost && !segments[around].is_chosen && plans[around].recomputed.empty();
    if (is_outermost) found.push_back(s);
  }
  return found;
}

class training_tape_writer {
 public:
  constexpr training_tape_writer(const program& p, const slice& covered, const core::list<stage_port>& ports,
                                 const core::list<segment>& segments, const core::list<segment_plan>& plans,
                                 const core::list<backward_need>& needs, std::size_t batch, int ahead,
                                 const disk_use& on_disk)
      : p_(p),
        covered_(covered),
        segments_(segments),
        plans_(plans),
        needs_(needs),
        out_(p, ports, batch),
        values_(p, covered, out_),
        gradients_(p, covered, needs, values_, out_),
        is_dropped_(p.operations.size()),
        has_begun_(segments.size()),
        ahead_(ahead),
        stored_(stored_values(p, covered, ports, segments, plans, needs, batch, on_disk.tensors)),
        on_disk_(on_disk) {
    out_.reserve(static_cast<std::size_t>(covered.last - covered.first) * 4 + 8);
  }

  constexpr tape write() {
    out_.begin_section("forward");
    if (!stored_.empty()) values_.store_after_use(stored_);
    values_.forward(true);
    if (p_.loss == core::none)
      values_.fetch_outputs();
    else if (values_.makes(p_.loss))
      values_.fetch(p_.loss);
    out_.begin_section(covered_.halves_backward ? "backward of inputs" : "backward");
    recompute_ahead();
    if (p_.loss == core::none) {
      for (int t : p_.outputs)
        if (values_.makes(t)) gradients_.load(t);
    } else if (values_.makes(p_.loss)) {
      gradients_.begin(p_.loss, action_kind::seed);
    }
    backward(core::none);
    for (int t = 0; t < p_.inputs - p_.targets; ++t)
      if (has_gradient(p_, t)) gradients_.fetch(t);
    if (covered_.halves_backward) {
      out_.begin_section("backward of parameters");
      gradients_.add_postponed();
    }
    tape t = out_.finish();
    if (!stored_.empty()) schedule_transfers(t, !covered_.splits, on_disk_);
    return t;
  }

 private:
  /// The backward pass of a segment, or of the whole program, in reverse; segments inside it are recomputed on the way.
  constexpr void backward(int s) {
    const int first = s == core::none ? covered_.first : segments_[s].first;
    int i = s == core::none ? covered_.last : segments_[s].last;
    int child = last_child(s);
    while (i > first) {
      if (child != core::none && segments_[child].last == i) {
        begin(child);
        backward(child);
        i = segments_[child].first;
        child = previous_child(child, s);
      } else {
        --i;
        each_read(p_.operations[i], needs_[i], [this](int t) { ensure(t); });
        gradients_.backward(i);
      }
    }
  }

  /// In a pipeline, before any gradient is waited for: the last of the outermost segments that were chosen for a
  /// budget, as many as it says, in the order of the program, so that what is needed first is on top.
  constexpr void recompute_ahead() {
    if (ahead_ == 0) return;
    const core::list<int> outermost = outermost_chosen(segments_, plans_);
    for (int k = outermost.count() > ahead_ ? outermost.count() - ahead_ : 0; k < outermost.count(); ++k)
      begin(outermost[k]);
  }

  /// The recomputation of a segment, unless it has begun.
  constexpr void begin(int s) {
    if (has_begun_[s] != 0) return;
    has_begun_[s] = 1;
    for (int t : plans_[s].kept)
      if (is_dropped(t)) ensure(t);  // what is stored is restored when it is read
    begin_recomputation(s);
  }

  /// What the segment's backward reads first of all that was dropped is computed before it begins, while one gradient
  /// waits; the rest when it is read. A segment that was chosen for a budget is computed in one go, as whoever chose it
  /// reckons.
  constexpr void begin_recomputation(int s) {
    for (int again : plans_[s].recomputed) is_dropped_[again] = 1;
    if (plans_[s].recomputed.empty()) return;
    if (segments_[s].is_chosen) {
      for (int again : plans_[s].recomputed)
        if (is_dropped_[again] == 1) compute_again(again);
      return;
    }
    bool found = false;
    for (int i = segments_[s].last; !found && i-- > segments_[s].first;)
      each_read(p_.operations[i], needs_[i], [&](int t) {
        const int producer = p_.producers[t];
        found = found || (producer != core::none && is_dropped_[producer]);
        ensure(t);
      });
  }

  /// Before tensor t is read: computes it again where it was dropped, from what is there. Not sooner, so that a segment
  /// whose policy keeps something within it is computed again piece by piece.
  constexpr void ensure(int t) {
    if (!is_dropped(t)) return restore(t);
    compute_again(p_.producers[t]);
  }
  constexpr void compute_again(int producer) {
    again_.clear();
    is_dropped_[producer] = 2;  // found, and about to run
    for (int i = producer, open = 1; open > 0; --i) {
      if (is_dropped_[i] != 2) continue;
      --open;
      again_.push_back(i);
      for (int input : p_.operations[i].inputs) {
        const int before = p_.producers[input];
        if (before == core::none || is_dropped_[before] != 1) continue;
        is_dropped_[before] = 2;
        ++open;
      }
    }
    for (int k = again_.count(); k-- > 0;) {
      is_dropped_[again_[k]] = 0;
      for (int input : p_.operations[again_[k]].inputs) restore(input);
      values_.recompute(again_[k]);
    }
  }
  constexpr bool is_dropped(int t) const { return p_.producers[t] != core::none && is_dropped_[p_.producers[t]]; }
  constexpr void restore(int t) {
    if (!stored_.empty()) values_.restore(t);
  }
  constexpr int last_child(int s) const {
    int c = segments_.count();
    if (s != core::none) {
      c = s + 1;
      while (c < segments_.count() && segments_[c].first < segments_[s].last) ++c;
    }
    return previous_child(c, s);
  }
  /// Segments are in preorder: the way back to the previous sibling passes only its descendants.
  constexpr int previous_child(int c, int parent) const {
    for (--c; c > parent; --c)
      if (segments_[c].parent == parent) return c;
    return core::none;
  }

  const program& p_;
  slice covered_;
  const core::list<segment>& segments_;
  const core::list<segment_plan>& plans_;
  const core::list<backward_need>& needs_;
  tape_builder out_;
  value_writer values_;
  gradient_writer gradients_;
  core::list<int> is_dropped_;  // operations that the segments entered so far compute again, and have not yet
  core::list<char> has_begun_;  // of each segment, its recomputation
  int ahead_;                   // segments whose recomputation waits for no gradient
  core::list<int> again_;
  core::list<stored_value> stored_;
  const disk_use& on_disk_;
};

}  // namespace detail

/// The tape of a training step under the checkpoints of the program. What the last `ahead` of the outermost segments of
/// budgets drop is computed again before the backward pass waits for a gradient. Of what budgets may take out of
/// the arena, that of `on_disk` goes.
constexpr tape write_training_tape(const program& p, const slice& covered, const core::list<stage_port>& ports,
                                   const core::list<segment>& segments, const core::list<segment_plan>& plans,
                                   const core::list<backward_need>& needs, std::size_t batch, int ahead,
                                   const disk_use& on_disk) {
  tape t = detail::training_tape_writer(p, covered, ports, segments, plans, needs, batch, ahead, on_disk).write();
  skip_unread_outputs(p, t);
  work_in_place(p, t);
  return t;
}

/// The tape of a forward pass that keeps nothing; without the loss.
constexpr tape write_inference_tape(const program& p, const slice& covered, const core::list<stage_port>& ports,
                                    std::size_t batch) {
  detail::tape_builder out(p, ports, batch);
  detail::value_writer values(p, covered, out);
  out.begin_section("forward");
  values.forward(false);
  values.fetch_outputs();
  tape t = out.finish();
  work_in_place(p, t);
  return t;
}

}  // namespace remat
