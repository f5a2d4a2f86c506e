// SPDX-License-Identifier: MIT
/// The tensors of a step: how they come into the slice, are computed there, and leave it.
///
/// The forward pass computes each of them once. What a segment dropped is computed again, into a buffer of its own,
/// from the newest buffers of what it reads.
#pragma once

#include <remat/plan/slice.hpp>
#include <remat/plan/stored_tensors.hpp>
#include <remat/plan/tape_builder.hpp>

namespace remat::detail {

class value_writer {
 public:
  constexpr value_writer(const program& p, const slice& covered, tape_builder& out)
      : p_(p),
        covered_(covered),
        out_(out),
        has_ports_(out.has_ports()),
        values_(p.tensors.size(), core::none),
        value_(values_.data()) {}

  /// Those that are stored when the forward pass has used them for the last time.
  constexpr void store_after_use(const core::list<stored_value>& these) { stored_ = &these; }

  /// The newest buffer of tensor t, or `none`.
  constexpr int newest(int t) const { return value_[t]; }

  /// Whether tensor t comes from an operation of the slice, or is an input that the slice may read.
  constexpr bool makes(int t) const {
    const int producer = p_.producers[t];
    return producer == core::none ? covered_.first == 0 : producer >= covered_.first && producer < covered_.last;
  }

  constexpr void forward(bool training) {
    const int end = end_of_pass(p_, training) < covered_.last ? end_of_pass(p_, training) : covered_.last;
    for (const stage_port& each : out_.ports()) {  // inputs that enter here
      if (!each.sends() || each.is_gradient || p_.producers[each.tensor] != core::none) continue;
      obtain(each.tensor);
      send(each.tensor);
    }
    for (int i = covered_.first, next = 0; i < end; ++i) {
      compute(i, action_kind::forward, training);
      if (stored_ == nullptr) continue;
      for (; next < stored_->count() && (*stored_)[next].last_use == i; ++next)
        store((*stored_)[next].tensor, *(*stored_)[next].form);
    }
  }

  /// Before tensor t is read in the backward pass: as it was computed, where it is stored.
  constexpr void restore(int t) {
    const int stored = value_[t];
    if (stored == core::none || out_.form_of(stored) == nullptr) return;
    action a{out_.form_of(stored)->is_outside ? action_kind::finish_read : action_kind::restore};
    a.inputs.push_back(out_.use(stored));
    a.outputs.push_back(make(t, core::none));
    out_.add(a);
  }

  constexpr void recompute(int i) { compute(i, action_kind::recompute, true); }

  constexpr void fetch(int t) {
    if (value_[t] == core::none) obtain(t);  // an output that is an input
    out_.fetch(value_[t]);
  }
  constexpr void fetch_outputs() {
    for (int t : p_.outputs)
      if (makes(t)) fetch(t);
  }

 private:
  constexpr void store(int t, const storage_form& form) {
    action a{form.is_outside ? action_kind::begin_write : action_kind::store};
    a.inputs.push_back(out_.use(value_[t]));
    a.outputs.push_back(value_[t] = out_.define_stored(t, form));
    out_.add(a);
  }
  /// An input comes into the arena when it is first read: a target before the loss, not at the start.
  constexpr void obtain(int t) {
    const int port = out_.value_port(t);
    action a{out_.receives(port) ? action_kind::receive : action_kind::load};
    a.outputs.push_back(value_[t] = out_.define(t, false, port));
    out_.add(a);
  }
  constexpr void send(int t) {
    if (out_.sends(out_.value_port(t))) out_.send(value_[t]);
  }

  constexpr void compute(int i, action_kind kind, bool training) {
    const operation& o = p_.operations.data()[i];
    for (int k = 0; k < o.inputs.size; ++k)
      if (value_[o.inputs.values[k]] == core::none) obtain(o.inputs.values[k]);
    const bool is_first = kind == action_kind::forward, is_sent = is_first && has_ports_;
    action a{kind, i, {{}, o.inputs.size}, {{}, o.outputs.size}};
    for (int k = 0; k < o.inputs.size; ++k) a.inputs.values[k] = out_.use(value_[o.inputs.values[k]]);
    for (int k = 0; k < o.outputs.size; ++k)
      a.outputs.values[k] = make(o.outputs.values[k], is_sent ? out_.value_port(o.outputs.values[k]) : core::none);
    if (training)
      for (int k = 0; k < o.saved.size; ++k) a.saved.push_back(make(o.saved.values[k], core::none));
    out_.add(a);
    if (is_sent)
      for (int t : o.outputs) send(t);
    if (is_first && training && o.updates_state) update_state(i, a);
  }

  constexpr int make(int t, int port) { return value_[t] = out_.define(t, false, port); }

  constexpr void update_state(int i, const action& forward) {
    action a{action_kind::update_state, i};
    for (int b : forward.inputs) a.inputs.push_back(out_.use(b));
    for (int b : forward.outputs) a.outputs.push_back(out_.use(b));
    for (int b : forward.saved) a.saved.push_back(out_.use(b));
    out_.add(a);
  }

  const program& p_;
  slice covered_;
  tape_builder& out_;
  bool has_ports_;
  const core::list<stored_value>* stored_ = nullptr;
  core::list<int> values_;
  int* value_;  // the newest buffer of each tensor
};

}  // namespace remat::detail
