// SPDX-License-Identifier: MIT
/// How long a step waits for transfers, and what a transfer costs next to operations.
///
/// The model: operations run one after another and take what they cost. One thread does the transfers next to them, in
/// the order in which they begin, one at a time; one takes its bytes over the rate. An action that finishes a transfer
/// waits until it is done. So what a step waits for is known from its tape alone.
#pragma once

#include <remat/core/error.hpp>
#include <remat/core/storage_setting.hpp>
#include <remat/plan/counted_costs.hpp>
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

/// How long the steps of a request are predicted to take, in the unit of its costs.
class step_times {
 public:
  step_times(const program& p, const plan_request& request)
      : request_(request),
        costs_(request.costs != nullptr ? *request.costs : counted_costs(p, request.batch)),
        second_(second_in_costs(costs_, request.batch, request.costs != nullptr)) {}

  const operation_costs& costs() const { return costs_; }
  double second() const { return second_; }
  /// With what the step waits for transfers.
  double of(const plan& made) const {
    return predicted_cost(made, costs_) + times_of_transfers(made, costs_, second_, request_.rate).waiting;
  }

 private:
  const plan_request& request_;
  operation_costs costs_;
  double second_;
};

/// What taking a tensor out of the arena and back takes; below 0: it stays.
struct moving_time {
  double write = -1, read = -1;

  bool is_possible() const { return write >= 0; }
  double sum() const { return is_possible() ? write + read : -1; }
};

/// Of each tensor of a slice, where a budget may choose to. Empty where budgets cannot.
inline std::vector<moving_time> moving_times(const program& p, const plan_request& request, const slice& covered,
                                             double second) {
  if (!may_leave_arena(p)) return {};
  const core::list<const storage_form*> forms = forms_of_nodes(p);
  const core::list<int> has_choice = nodes_with_choice(p);
  std::vector<moving_time> made(p.tensors.size());
  for (int i = covered.first; i < covered.last; ++i) {
    const operation& o = p.operations[i];
    if (!has_choice[o.node]) continue;
    const storage_form& form = *forms[o.node];
    for (const auto* some : {&o.inputs, &o.outputs, &o.saved})
      for (const int t : *some) {
        const std::size_t bytes = p.bytes_of(t, false, request.batch);
        if (!form.takes(p.tensors[t]) || bytes < form.window.least_bytes || bytes == 0) continue;
        const transfer_rate rate = rate_of(form, request.rate);
        const double seconds = second * static_cast<double>(bytes);
        made[static_cast<std::size_t>(t)] = {seconds / rate.write, seconds / rate.read};
      }
  }
  for (const int t : p.outputs) made[static_cast<std::size_t>(t)] = {};
  if (p.loss != core::none) made[static_cast<std::size_t>(p.loss)] = {};
  return made;
}

/// Whether the step waits for each transfer that a budget may choose: its storage has a window of no tensors.
inline bool waits_for_each_transfer(const program& p) {
  const core::list<const storage_form*> forms = forms_of_nodes(p);
  const core::list<int> has_choice = nodes_with_choice(p);
  for (int n = 0; n < has_choice.count(); ++n)
    if (has_choice[n] && (forms[n]->window.read_ahead > 0 || forms[n]->window.write_behind > 0)) return false;
  return true;
}

}  // namespace detail
}  // namespace remat
