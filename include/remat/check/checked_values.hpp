// SPDX-License-Identifier: MIT
/// The tensors of a step, checked: each operation runs once in order, from what it reads, and what is computed again is
/// what was computed before.
#pragma once

#include <remat/check/checked_action.hpp>

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace remat::detail {

class checked_values {
 public:
  using kind = value_terms::kind;

  checked_values(const program& p, const plan& made, value_terms& terms, checked_action& now)
      : p_(p), plan_(made), terms_(terms), now_(now), ran_(p.operations.size()), updated_states_(p.operations.size()) {}

  void compute(const action& a) {
    const operation& o = p_.operations[a.operation];
    const bool is_first = a.kind == action_kind::forward;
    if (is_first) {
      now_.require(a.operation == plan_.covered.first + next_, "runs an operation out of order, or twice");
      now_.require(plan_.steps.section_of(now_.number()) == forward_section,
                   "runs an operation after the forward pass");
      ++next_;
    }
    now_.require(is_first || ran_[at(a.operation)], "computes again what was not computed");
    ran_[at(a.operation)] = true;
    now_.require(a.inputs.size == o.inputs.size && a.outputs.size == o.outputs.size &&
                     a.saved.size == (plan_.is_training ? o.saved.size : 0),
                 "has other tensors than its operation");
    for (int k = 0; k < o.inputs.size; ++k) now_.read(a.inputs.values[k], terms_.tensor(o.inputs.values[k]));
    const int over = o.may_overwrite_input() ? a.inputs.values[0] : core::none;
    for (int k = 0; k < o.outputs.size; ++k) {
      const int b = a.outputs.values[k], t = o.outputs.values[k];
      if (b == core::none && !is_first && o.is.skips_outputs) continue;
      now_.write(b, terms_.tensor(t), now_.bytes_of(t, false), {k == 0 ? over : core::none});
    }
    for (int k = 0; k < a.saved.size; ++k)
      now_.write(a.saved.values[k], terms_.tensor(o.saved.values[k]), now_.bytes_of(o.saved.values[k], false));
  }

  void update_state(const action& a) {
    const operation& o = p_.operations[a.operation];
    now_.require(plan_.steps.section_of(now_.number()) == forward_section, "updates a state after the forward pass");
    now_.require(o.updates_state && ran_[at(a.operation)] && !updated_states_[at(a.operation)],
                 "updates a state that its operation does not have, or twice");
    updated_states_[at(a.operation)] = true;
    now_.read_all(a.inputs, o.inputs, 0xff);
    now_.read_all(a.outputs, o.outputs, 0xff);
    now_.read_all(a.saved, o.saved, 0xff);
  }

  /// Into the arena, into the form of a storage, or out of it.
  void move(const action& a) {
    const int t = now_.tensor_of(a.outputs[0], false);
    const storage_form* const form = now_.buffer_of(a.outputs[0]).form;
    if (a.kind == action_kind::load) now_.require(p_.producers[t] == core::none, "loads what is no input");
    if (a.kind == action_kind::store) {
      now_.require(form != nullptr && form->takes(p_.tensors[t]),
                   "stores a tensor in no form, or one that does not take it");
      now_.read(a.inputs[0], terms_.tensor(t));
      return now_.write(a.outputs[0], terms_.of(kind::stored, t), form->bytes(p_.tensors[t], plan_.batch));
    }
    now_.require(form == nullptr, "writes a tensor as it was computed into the form of a storage");
    if (a.kind == action_kind::restore) now_.read(a.inputs[0], terms_.of(kind::stored, t));
    now_.write(a.outputs[0], terms_.tensor(t), now_.bytes_of(t, false));
  }

  /// Out of the arena and back: what is on its way is what it will be when it is there, and nobody writes over it.
  void transfer(const action& a) {
    const bool is_write = a.kind == action_kind::begin_write || a.kind == action_kind::finish_write;
    const int memory = is_write ? a.inputs[0] : a.outputs[0], outside = is_write ? a.outputs[0] : a.inputs[0];
    const int t = now_.tensor_of(memory, false);
    const storage_form* const form = now_.buffer_of(outside).form;
    now_.require(form != nullptr && form->is_outside && form->takes(p_.tensors[t]) &&
                     now_.buffer_of(memory).form == nullptr && now_.tensor_of(outside, false) == t,
                 "moves a tensor out of the arena in no form, or in one that does not take it");
    const int leaving = terms_.of(kind::leaving, t), stored = terms_.of(kind::stored, t),
              arriving = terms_.of(kind::arriving, t);
    const bool begins = a.kind == action_kind::begin_write || a.kind == action_kind::begin_read;
    const auto under_way = std::ranges::find(under_way_, std::pair(outside, is_write));
    now_.require((under_way == under_way_.end()) == begins,
                 "begins a transfer that is under way, or ends one that is not");
    if (begins)
      under_way_.emplace_back(outside, is_write);
    else
      under_way_.erase(under_way);
    switch (a.kind) {
      case action_kind::begin_write:
        now_.read(memory, terms_.tensor(t));
        return now_.write(outside, leaving, 0);
      case action_kind::finish_write:
        now_.read(memory, terms_.tensor(t));
        now_.read(outside, leaving);
        return now_.write(outside, stored, 0, {outside});
      case action_kind::begin_read:
        now_.read(outside, stored);
        return now_.write(memory, arriving, now_.bytes_of(t, false));
      default:
        now_.read(outside, stored);
        now_.read(memory, arriving);
        now_.write(memory, terms_.tensor(t), now_.bytes_of(t, false), {memory});
    }
  }

  /// Everything has run.
  void check_end() const {
    if (!under_way_.empty())
      throw error("the transfer of buffer " + std::to_string(under_way_.front().first) + " is never ended");
    if (plan_.covered.first + next_ != last_operation())
      throw error("operation " + std::to_string(plan_.covered.first + next_) + " is never run");
    for (int i = plan_.covered.first; plan_.is_training && i < plan_.covered.last; ++i)
      if (p_.operations[i].updates_state && !updated_states_[at(i)])
        throw error("operation " + std::to_string(i) + " does not update its state");
  }

 private:
  static std::size_t at(int i) { return static_cast<std::size_t>(i); }
  /// One after the last: without a loss's, where nobody trains.
  int last_operation() const {
    const int end = plan_.is_training || p_.loss == core::none ? p_.operations.count() : p_.producers[p_.loss];
    return end < plan_.covered.last ? end : plan_.covered.last;
  }

  const program& p_;
  const plan& plan_;
  value_terms& terms_;
  checked_action& now_;
  int next_ = 0;  // operations that have run for the first time
  std::vector<bool> ran_, updated_states_;
  std::vector<std::pair<int, bool>> under_way_;  // transfers: the buffer outside, and whether it is written
};

}  // namespace remat::detail
