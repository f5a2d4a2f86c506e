// SPDX-License-Identifier: MIT
/// When tensors leave the arena and come back (core/storage.hpp): the plan of the transfers that go on next to the
/// step.
///
/// The writer of the tape says where a tensor is used for the last time in the forward pass (`begin_write`), and where
/// it is needed again (`finish_read`). What is between is written here:
///
///     begin_write   ...   finish_write        before the write_behind-th next one begins; no later than 4 operations for
///                                             each of them, and than the end of the forward pass
///     begin_read    ...   finish_read         when the read_ahead-th before it is there; no sooner than 4 operations for
///                                             each of them, and than the beginning of the section
///
/// The operations are for what waits far from others of its kind: it is out of the arena as long as it can be. (A
/// budget may allow more, where a transfer takes longer than they do.) What would be
/// read back as soon as it is written stays: at the turn from forward to backward, of a slice that makes it at once.
///
/// The reads with which a section begins may begin before it, where a pipeline does other tasks meanwhile: their
/// buffers are in a region that is alive from that many tasks before (plan_layout.hpp).
///
/// While a transfer is under way, its memory is a buffer of the plan: that of the tensor, which is written from where
/// it was computed until `finish_write`, and read from `begin_read` on to where backward finds it. Where all that is
/// transferred is large, all buffers begin at multiples of `transfer_alignment`; otherwise that would cost more than a
/// copy does, as it would where small tensors stay for each large one (a budget says so).
#pragma once

#include <remat/core/storage_space.hpp>
#include <remat/plan/stored_tensors.hpp>
#include <remat/plan/tape.hpp>

#include <cstddef>

namespace remat {

namespace detail {

class transfer_scheduler {
 public:
  /// `turns_at_once`: the backward pass follows on the forward pass.
  constexpr transfer_scheduler(const tape& written, bool turns_at_once, const disk_use& use)
      : old_(written),
        turns_at_once_(turns_at_once),
        most_under_way_(use.most_under_way),
        operations_a_transfer_(use.operations_a_transfer),
        aligns_(use.aligns) {}

  /// Whether anything is to leave the arena.
  constexpr bool find() {
    for (int i = 0; i < old_.actions.count(); ++i) {
      if (old_.actions[i].kind == action_kind::begin_write) writes_.push_back({i});
      if (old_.actions[i].kind == action_kind::finish_read) reads_.push_back({i});
    }
    if (writes_.empty()) return false;
    for (int k = 0; k < writes_.count(); ++k) {
      const transfer_window w = window_of(writes_[k]);
      const int end = old_.sections[forward_section].last;
      int at = after_operations(writes_[k].action, operations_a_transfer_ * w.write_behind, end);
      const int next = k + w.write_behind;
      if (w.write_behind > 0 && next < writes_.count() && writes_[next].action < at) at = writes_[next].action;
      writes_[k].other = k > 0 && writes_[k - 1].other > at ? writes_[k - 1].other : at;
    }
    for (int j = 0; j < reads_.count(); ++j) {
      const transfer_window w = window_of(reads_[j]);
      const int begin = old_.sections[old_.section_of(reads_[j].action)].first;
      int at = before_operations(reads_[j].action, operations_a_transfer_ * w.read_ahead, begin);
      const int before = j - w.read_ahead;
      if (w.read_ahead > 0 && before >= 0 && reads_[before].action >= at) at = reads_[before].action + 1;
      reads_[j].other = j > 0 && reads_[j - 1].other > at ? reads_[j - 1].other : at;
    }
    stay();
    return true;
  }

  constexpr tape write() {
    out_.has_transfers = !writes_.empty();
    if (aligns_ && are_large()) out_.alignment = transfer_alignment;
    out_.buffers.reserve(old_.buffers.size());
    out_.actions.reserve(old_.actions.size() + writes_.size() + reads_.size());
    int ended = 0, begun = 0, section = 0;
    for (int i = 0;; ++i) {
      for (; ended < writes_.count() && writes_[ended].other == i; ++ended) finish_write(writes_[ended]);
      for (; section < old_.sections.count() && old_.sections[section].first == i; ++section) {
        if (section > 0) out_.sections.back().last = now();
        out_.sections.push_back({old_.sections[section].name, now(), now()});
      }
      for (; begun < reads_.count() && reads_[begun].other == i; ++begun) begin_read(reads_[begun]);
      if (i == old_.actions.count()) break;
      if (!is_dropped(old_.actions[i])) out_.actions.push_back(renamed(old_.actions[i]));
    }
    out_.sections.back().last = now();
    number_buffers();
    return static_cast<tape&&>(out_);
  }

 private:
  struct transfer {
    int action = core::none;  ///< that is on the tape: of a write the beginning, of a read the end
    int other = core::none;   ///< the action before which the other is written
  };

  constexpr int now() const { return out_.actions.count(); }
  constexpr bool are_large() const {
    constexpr std::size_t large = 16 * transfer_alignment;
    for (const transfer& w : writes_)
      if (old_.buffers[old_.actions[w.action].inputs[0]].bytes < large) return false;
    return !writes_.empty();
  }
  constexpr int stored_by(const transfer& t) const {
    const action& a = old_.actions[t.action];
    return a.kind == action_kind::begin_write ? a.outputs[0] : a.inputs[0];
  }
  constexpr transfer_window window_of(const transfer& t) const {
    const int most = most_under_way_;
    transfer_window w = old_.buffers[stored_by(t)].form->window;
    w.write_behind = w.write_behind < most ? w.write_behind : most;
    w.read_ahead = w.read_ahead < most ? w.read_ahead : most;
    return w;
  }
  constexpr int after_operations(int i, int operations, int end) const {
    for (++i; i < end && operations > 0; ++i)
      if (old_.actions[i].operation != core::none) --operations;
    return i;
  }
  constexpr int before_operations(int i, int operations, int begin) const {
    for (; i > begin && operations > 0; --i)
      if (old_.actions[i - 1].operation != core::none) --operations;
    return i;
  }

  /// Takes out what is never read, and what would be read as soon as it is written: it is read where it was computed.
  constexpr void stay() {
    core::list<int> read_by(old_.buffers.size(), core::none);
    renamed_ = core::list<int>(old_.buffers.size(), core::none);
    for (int j = 0; j < reads_.count(); ++j) read_by[stored_by(reads_[j])] = j;
    const int turn = old_.sections[forward_section].last;
    core::list<transfer> writes, reads;
    core::list<int> stays(reads_.size());
    for (const transfer& w : writes_) {
      const int stored = stored_by(w), read = read_by[stored];
      const bool is_at_turn = read != core::none && turns_at_once_ && w.other == turn && reads_[read].other == turn;
      if (read != core::none && !is_at_turn) {
        writes.push_back(w);
        continue;
      }
      renamed_[stored] = old_.actions[w.action].inputs[0];
      if (read == core::none) continue;
      renamed_[old_.actions[reads_[read].action].outputs[0]] = old_.actions[w.action].inputs[0];
      stays[read] = 1;
    }
    for (int j = 0; j < reads_.count(); ++j)
      if (!stays[j]) reads.push_back(reads_[j]);
    writes_ = static_cast<core::list<transfer>&&>(writes);
    reads_ = static_cast<core::list<transfer>&&>(reads);
  }
  constexpr bool is_dropped(const action& a) const {
    return (a.kind == action_kind::begin_write && renamed_[a.outputs[0]] != core::none) ||
           (a.kind == action_kind::finish_read && renamed_[a.inputs[0]] != core::none);
  }
  constexpr action renamed(action a) const {
    for (auto* some : {&a.inputs, &a.outputs, &a.saved, &a.input_gradients, &a.output_gradients})
      for (int k = 0; k < some->size; ++k)
        if (some->values[k] != core::none && renamed_[some->values[k]] != core::none)
          some->values[k] = renamed_[some->values[k]];
    return a;
  }

  constexpr void finish_write(const transfer& w) {
    action a{action_kind::finish_write};
    a.inputs.push_back(old_.actions[w.action].inputs[0]);
    a.outputs.push_back(stored_by(w));
    out_.actions.push_back(a);
  }
  constexpr void begin_read(const transfer& r) {
    action a{action_kind::begin_read};
    a.inputs.push_back(stored_by(r));
    a.outputs.push_back(old_.actions[r.action].outputs[0]);
    out_.actions.push_back(a);
  }

  /// Buffers are numbered in the order in which they begin to live. What is there under another name has gone.
  constexpr void number_buffers() {
    core::list<int> numbers(old_.buffers.size(), core::none);
    for (int i = 0; i < out_.actions.count(); ++i) {
      action& a = out_.actions[i];
      for (auto* some : {&a.inputs, &a.outputs, &a.saved, &a.input_gradients, &a.output_gradients})
        for (int k = 0; k < some->size; ++k) {
          int& b = some->values[k];
          if (b == core::none) continue;
          if (numbers[b] == core::none) {
            numbers[b] = out_.buffers.count();
            buffer& fresh = out_.buffers.push_back(old_.buffers[b]);
            fresh.first = i;
            fresh.allocation = numbers[b];
          }
          b = numbers[b];
          out_.buffers[b].last = i;
        }
    }
  }

  const tape& old_;
  bool turns_at_once_;
  int most_under_way_;  // sums with it do not wrap
  int operations_a_transfer_;
  bool aligns_;
  tape out_;
  core::list<transfer> writes_, reads_;
  core::list<int> renamed_;  // of each buffer: the one that is there instead, or none
};

}  // namespace detail

/// Adds the transfers of what leaves the arena to a tape, before anything works in place.
constexpr void schedule_transfers(tape& t, bool turns_at_once, const disk_use& use) {
  detail::transfer_scheduler scheduler(t, turns_at_once, use);
  if (scheduler.find()) t = scheduler.write();
}

}  // namespace remat
