// SPDX-License-Identifier: MIT
/// Makes the spine of a slice (spine.hpp) from its program.
///
/// What the backward pass of an operation needs does not depend on what was computed again before it. The gradients
/// that are there at each moment are taken from the tape of a step that keeps everything.
#pragma once

#include <remat/core/alignment.hpp>
#include <remat/plan/backward_needs.hpp>
#include <remat/plan/gradient_writer.hpp>
#include <remat/plan/in_place_allocation.hpp>
#include <remat/plan/operation_costs.hpp>
#include <remat/plan/ports.hpp>
#include <remat/plan/quantum.hpp>
#include <remat/plan/slice.hpp>
#include <remat/plan/spine_borders.hpp>
#include <remat/plan/value_writer.hpp>

#include <cstddef>

namespace remat::detail {

class spine_maker {
 public:
  constexpr spine_maker(const program& p, const slice& covered, const core::list<stage_port>& ports,
                        const core::list<backward_need>& needs, std::size_t batch, const operation_costs* costs,
                        quantum unit)
      : p_(p), covered_(covered), ports_(ports), needs_(needs), batch_(batch), costs_(costs), unit_(unit) {}

  /// Of each operation of the slice, whether a checkpoint that is no budget's drops what it makes.
  constexpr spine_maker& dropping(const core::list<int>& is_dropped) {
    is_dropped_ = is_dropped;
    return *this;
  }

  constexpr spine make() {
    made_.first = covered_.first;
    made_.count = covered_.last - covered_.first;
    add_tensors();
    add_frontiers();
    for (int i = 0; i < made_.count; ++i) made_.operations.push_back(operation_at(i));
    add_gradients();
    mark_borders(p_, made_, batch_);
    made_.group = core::list<int>(static_cast<std::size_t>(made_.count), core::none);
    return static_cast<spine&&>(made_);
  }

 private:
  constexpr void add_tensors() {
    const std::size_t tensors = p_.tensors.size();
    made_.weight = core::list<int>(tensors);
    made_.producer = core::list<int>(tensors, core::none);
    made_.last_forward = core::list<int>(tensors, core::none);
    made_.stays_until = core::list<int>(tensors, core::none);
    for (int t = 0; t < p_.tensors.count(); ++t) made_.weight[t] = unit_.of(aligned(p_.tensors[t].bytes(batch_)));
    if (unit_.rounds_down())
      for (const stage_port& each : ports_)  // messages have memory of their own, which is not of the budget
        if (!each.is_gradient) made_.weight[each.tensor] = 0;
    for (int i = 0; i < p_.operations.count(); ++i)
      for (int t : p_.operations[i].inputs) {
        made_.stays_until[t] = i - covered_.first;
        if (i >= covered_.first && i < covered_.last) made_.last_forward[t] = i - covered_.first;
      }
    for (int t : p_.outputs) made_.stays_until[t] = p_.operations.count();
    if (p_.loss != core::none) made_.stays_until[p_.loss] = p_.operations.count();
    drop_tensors();
    core::list<int> is_met(tensors);
    for (int i = covered_.first; i < covered_.last; ++i) {
      const operation& o = p_.operations[i];
      for (int t : o.inputs)  // what comes in later than with the first operation is made by its first reader
        if (!is_met[t]) is_met[t] = 1, made_.producer[t] = i == covered_.first ? core::none : i - covered_.first;
      for (const auto* some : {&o.outputs, &o.saved})
        for (int t : *some) is_met[t] = 1, made_.producer[t] = i - covered_.first;
    }
  }

  /// What others drop takes no memory while the backward pass of the rest runs. What leaves their segments is kept, as
  /// a rule; for a bound, none of it takes any.
  constexpr void drop_tensors() {
    for (int i = 0; i < is_dropped_.count(); ++i) {
      if (is_dropped_[i] == 0) continue;
      const operation& o = p_.operations[covered_.first + i];
      for (int t : o.saved) made_.weight[t] = 0;
      for (int t : o.outputs) {
        const int last = made_.stays_until[t];
        if (unit_.rounds_down() || (last < is_dropped_.count() && (last < 0 || is_dropped_[last] != 0)))
          made_.weight[t] = 0;
      }
    }
  }

  constexpr void add_frontiers() {
    core::list<int> open;
    for (int t : p_.operations[covered_.first].inputs)
      if (!core::is_among(open, t)) open.push_back(t);
    for (int s = 0; s <= made_.count; ++s) {
      core::list<int> here;
      for (int t : open)
        if (made_.last_forward[t] >= s && here.count() < spine::largest_frontier) here.push_back(t);
      if (s < made_.count) {
        const operation& o = p_.operations[covered_.first + s];
        open = here;
        for (int t : o.inputs)
          if (made_.producer[t] == s && !core::is_among(open, t)) open.push_back(t);
        for (int t : o.outputs) open.push_back(t);
      }
      made_.frontier.push_back(static_cast<core::list<int>&&>(here));
    }
  }

  constexpr spine_operation operation_at(int i) const {
    const operation& o = p_.operations[covered_.first + i];
    spine_operation made;
    made.forward = costs_ != nullptr ? costs_->operations[static_cast<std::size_t>(covered_.first + i)].forward
                                     : o.flops * static_cast<double>(batch_);
    for (int t : o.outputs) made.outputs += made_.weight[t];
    made.made = made.outputs;
    for (int t : o.saved) made.made += made_.weight[t];
    for (int k = 0; k < o.inputs.size; ++k)
      if (made_.producer[o.inputs.values[k]] == i && is_new_input(o, k))
        made.comes_in += made_.weight[o.inputs.values[k]];
    made.made += made.comes_in;
    made.skips_outputs = o.is.skips_outputs;
    made.updates_state = o.updates_state;
    if (o.may_overwrite_input() && p_.tensors[o.inputs[0]].bytes(batch_) == p_.tensors[o.outputs[0]].bytes(batch_))
      made.in_place_of = o.inputs[0];
    return made;
  }

  /// Writes the step that keeps everything, and looks at what its backward pass reads, and holds of gradients.
  constexpr void add_gradients() {
    tape_builder out(p_, ports_, batch_);
    value_writer values(p_, covered_, out);
    gradient_writer gradients(p_, covered_, needs_, values, out);
    values.forward(true);
    if (covered_.last < p_.operations.count() && !out.has_ports()) {
      for (int t = 0; t < p_.tensors.count(); ++t)  // a part of a program: what it gives the rest
        if (is_made_here(t) && made_.stays_until[t] >= made_.count && is_differentiated(p_, needs_, t))
          gradients.load(t);
    } else if (p_.loss == core::none) {
      for (int t : p_.outputs)
        if (values.makes(t)) gradients.load(t);
    } else if (values.makes(p_.loss)) {
      gradients.begin(p_.loss, action_kind::seed);
    }
    core::list<int> begins(static_cast<std::size_t>(made_.count) + 1);
    for (int i = made_.count; i-- > 0;) {
      begins[i + 1] = out.now();
      gradients.backward(covered_.first + i);
    }
    begins[0] = out.now();
    const tape apart = out.finish();
    for (int i = 0; i < made_.count; ++i) {
      add_reads(i, apart, begins[i + 1], begins[i]);
      find_overwritten(i, apart, begins[i + 1], begins[i]);
    }
    add_moments(apart, begins);
  }

  constexpr bool is_made_here(int t) const {
    return p_.producers[t] >= covered_.first && p_.producers[t] < covered_.last;
  }

  constexpr void add_reads(int i, const tape& t, int begin, int end) {
    spine_operation& here = made_.operations[i];
    for (int now = begin; now < end; ++now) {
      const action& a = t.actions[now];
      if (a.operation == core::none) continue;
      for (const auto* some : {&a.inputs, &a.outputs, &a.saved})
        for (int b : *some) {
          if (b == core::none || t.buffers[b].is_gradient) continue;
          int k = 0;
          while (k < here.reads.count() && here.reads[k].tensor != t.buffers[b].tensor) ++k;
          if (k == here.reads.count()) here.reads.push_back({t.buffers[b].tensor, 0});
          here.reads[k].last_moment = now - begin;
        }
    }
  }

  /// Whether a gradient is written over the one that it is made of, which is the same in every schedule.
  constexpr bool is_over_gradient(const tape& t, int b) const {
    const int now = t.buffers[b].first;
    const action& a = t.actions[now];
    if (!makes_first_gradient(a) || a.input_gradients[0] != b || !p_.operations[a.operation].may_overwrite_input())
      return false;
    const int from = a.output_gradients[0];
    for (int k = 1; k < a.output_gradients.size; ++k)
      if (a.output_gradients[k] == from) return false;
    return from != core::none && t.buffers[from].last == now && may_have_memory_of(t.buffers[from], t.buffers[b]);
  }
  /// The input over which the gradient of operation i may be written, where nobody needs that input any more: that
  /// depends on the schedule.
  constexpr void find_overwritten(int i, const tape& t, int begin, int end) {
    const operation& o = p_.operations[covered_.first + i];
    if (!o.is.overwrites_input || !o.reads_first_input_once()) return;
    for (int now = begin; now < end; ++now) {
      const action& a = t.actions[now];
      if (!makes_first_gradient(a) || a.input_gradients.size == 0 || a.inputs.size == 0) continue;
      const int b = a.input_gradients[0], from = a.inputs[0];
      if (b == core::none || from == core::none || is_over_gradient(t, b)) continue;
      if (!may_have_memory_of(t.buffers[from], t.buffers[b])) continue;
      made_.operations[i].overwritten = t.buffers[from].tensor;
      made_.operations[i].overwritten_at = now - begin;
    }
  }

  constexpr void add_moments(const tape& apart, const core::list<int>& begins) {
    core::list<std::size_t> alive(apart.actions.size() + 1), across(apart.actions.size() + 1);
    for (int b = 0; b < apart.buffers.count(); ++b) {
      const buffer& each = apart.buffers[b];
      if (!each.is_gradient || (each.port != core::none && unit_.rounds_down())) continue;
      const std::size_t bytes = aligned(each.bytes);
      const bool is_in_place = is_over_gradient(apart, b);
      for (int now = each.first + (is_in_place ? 1 : 0); now <= each.last; ++now) alive[now] += bytes;
      for (int now = each.first + 1; now <= each.last; ++now) across[now] += bytes;
    }
    made_.waiting = core::list<int>(static_cast<std::size_t>(made_.count) + 1);
    for (int i = 0; i < made_.count; ++i) {
      for (int now = begins[i + 1]; now < begins[i]; ++now)
        made_.operations[i].gradients.push_back(unit_.of(alive[now]));
      if (i > 0) made_.waiting[i] = unit_.of(across[begins[i]]);
    }
  }

  const program& p_;
  slice covered_;
  const core::list<stage_port>& ports_;
  const core::list<backward_need>& needs_;
  std::size_t batch_;
  const operation_costs* costs_;
  quantum unit_;
  core::list<int> is_dropped_ = {};
  spine made_ = {};
};

}  // namespace remat::detail
