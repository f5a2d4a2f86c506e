// SPDX-License-Identifier: MIT
/// How long a step waits for transfers, and what a transfer costs next to operations.
///
/// The model: operations run one after another and take what they cost. One thread does the transfers next to them, in the
/// order in which they begin, one at a time; one takes its bytes over the rate. An action that finishes a transfer waits until
/// it is done. So what a step waits for is known from its tape alone.
#pragma once

#include <remat/core/error.hpp>
#include <remat/core/storage.hpp>
#include <remat/plan/plan_layout.hpp>
#include <remat/plan/plan_request.hpp>
#include <remat/plan/predicted_cost.hpp>
#include <remat/plan/stored_tensors.hpp>

#include <cstddef>
#include <string>
#include <vector>

namespace remat {

/// A second, in the unit of a plan's costs: for a batch of samples, they are of another.
inline double second_in_costs(const operation_costs& costs, std::size_t batch, bool are_measured) {
  const double samples = batch == 0 ? 1 : static_cast<double>(costs.batch) / static_cast<double>(batch);
  return samples * (are_measured ? 1 : counted_flops_per_second);
}

/// That of a storage: its own, or else that of the request. Throws `error` where neither is known.
inline transfer_rate rate_of(const storage_form& form, const transfer_rate& of_request) {
  const transfer_rate rate = form.rate.is_known() ? form.rate : of_request;
  if (!rate.is_known())
    throw error("a budget may use " + std::string(form.name) +
                ", and how fast that is, is not known; state it, in bytes a second: .rate = {2e9, 3e9}");
  return rate;
}

/// What a tape's transfers take, and what a step waits for them, in the unit of the costs.
struct transfer_times {
  double writing = 0, reading = 0;  ///< of the thread that transfers
  double waiting = 0;               ///< of the step
};
inline transfer_times times_of_transfers(const plan& made, const operation_costs& costs, double second,
                                         const transfer_rate& of_request) {
  transfer_times sum;
  if (!made.steps.has_transfers) return sum;
  std::vector<double> done(made.steps.buffers.size());  // of what is written, or read into
  double now = 0, idle_from = 0;
  for (const action& a : made.steps.actions) {
    const bool begins = a.kind == action_kind::begin_write || a.kind == action_kind::begin_read;
    if (begins || a.kind == action_kind::finish_write || a.kind == action_kind::finish_read) {
      double& end = done[static_cast<std::size_t>(a.outputs[0])];
      if (begins) {
        const bool writes = a.kind == action_kind::begin_write;
        const buffer &stored = made.steps.buffers[writes ? a.outputs[0] : a.inputs[0]],
                     &memory = made.steps.buffers[writes ? a.inputs[0] : a.outputs[0]];
        const transfer_rate rate = rate_of(*stored.form, of_request);
        const double takes = second * static_cast<double>(memory.bytes) / (writes ? rate.write : rate.read);
        (writes ? sum.writing : sum.reading) += takes;
        end = idle_from = (now > idle_from ? now : idle_from) + takes;
      } else if (end > now) {
        sum.waiting += end - now;
        now = end;
      }
    } else {
      now += action_cost(made, a, costs) + packing_cost(a, costs);
    }
  }
  return sum;
}

namespace detail {

/// Of each tensor of a slice, what writing it out of the arena and reading it again costs, where a budget may choose to; or
/// none, which is below 0. Empty where budgets cannot.
inline core::list<double> transfer_costs(const program& p, const plan_request& request, const slice& covered,
                                         const operation_costs& costs) {
  if (!may_leave_arena(p)) return {};
  const core::list<const storage_form*> forms = forms_of_nodes(p);
  const core::list<int> has_choice = nodes_with_choice(p);
  const double second = second_in_costs(costs, request.batch, request.costs != nullptr);
  core::list<double> made(p.tensors.size(), -1.0);
  for (int i = covered.first; i < covered.last; ++i) {
    const operation& o = p.operations[i];
    if (!has_choice[o.node]) continue;
    const storage_form& form = *forms[o.node];
    for (const auto* some : {&o.inputs, &o.outputs, &o.saved})
      for (const int t : *some) {
        const std::size_t bytes = p.bytes_of(t, false, request.batch);
        if (!form.takes(p.tensors[t]) || bytes < form.window.least_bytes || bytes == 0) continue;
        made[t] = second * rate_of(form, request.rate).seconds(static_cast<double>(bytes));
      }
  }
  for (const int t : p.outputs) made[t] = -1;
  if (p.loss != core::none) made[p.loss] = -1;
  return made;
}

}  // namespace detail
}  // namespace remat
