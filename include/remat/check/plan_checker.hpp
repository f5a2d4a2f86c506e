// SPDX-License-Identifier: MIT
/// A checker of plans: from a tape alone it finds out whether a step under the plan computes what the program says,
/// within the memory that the plan names, at the cost that its certificate names. It has no code in common with what
/// makes plans.
///
///     remat::plan_check found = remat::check_plan(program, plan, {.limit = bytes, .certified = &certificate});
///     found.holds();   // or found.fault says what is wrong first
///
/// | checked       | how                                                                                                |
/// |---------------|----------------------------------------------------------------------------------------------------|
/// | values        | every read finds the tensor, or the sum of contributions to a gradient, that the program says, in  |
/// |               | a buffer that nobody has written over since (checked_memory.hpp)                                   |
/// | completeness  | each operation runs once in order, each half of backward that is needed once, each result is given |
/// | memory        | buffers have the sizes of their tensors, are within their regions, and two that live at once       |
/// |               | have no byte in common; the plan's bytes are those, and within the limit                           |
/// | cost          | the times of the certificate are the sums of the costs of the actions, with what is waited for     |
/// |               | transfers, and its bytes the plan's                                                                |
///
/// What belongs to kernels, packed weights and scratch, is not looked at.
#pragma once

#include <remat/check/tape_checker.hpp>
#include <remat/plan/certificate.hpp>
#include <remat/plan/operation_costs.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace remat {

/// What a plan claims, apart from being one.
struct plan_claims {
  std::optional<std::size_t> limit = {};   ///< its bytes are at most these
  const certificate* certified = nullptr;  ///< it costs that
  const operation_costs* costs = nullptr;  ///< measured, which the certificate is about; null: FLOPs are counted
};

struct plan_check {
  std::string fault;  ///< the first that was found; empty: there is none

  bool holds() const { return fault.empty(); }
};

namespace detail {

/// What an action costs. A recomputation is a forward pass again, and packing is a part of the first one.
inline double claimed_cost(const plan& made, const action& a, const operation_costs& costs) {
  using enum action_kind;
  if (a.kind == pack) return 0;
  if (a.operation == core::none) {
    int moved = core::none;
    for (const auto* some : {&a.inputs, &a.input_gradients, &a.outputs})
      for (int k = some->size; k-- > 0;)
        if (some->values[k] != core::none) moved = some->values[k];
    return moved == core::none ? 0
                               : costs.per_byte[static_cast<std::size_t>(a.kind)] *
                                     static_cast<double>(made.steps.buffers[moved].bytes);
  }
  const operation_cost& cost = costs.operations[static_cast<std::size_t>(a.operation)];
  switch (a.kind) {
    case forward:
      return cost.forward + cost.pack;
    case recompute:
      return cost.forward;
    case update_state:
      return cost.update_state;
    case differentiate:
      return cost.differentiate;
    case backward_parameters:
      return cost.backward_parameters;
    case backward_input:
      return cost.backward_input;
    case backward:
      return cost.both;
    default:
      return 0;
  }
}

/// What a step waits for one thread that transfers what the tape begins, in order. Of a certificate's times, a second
/// has `second`.
inline double claimed_waiting(const plan& made, const operation_costs& costs, double share, double second,
                              const transfer_rate& of_others) {
  double step = 0, thread = 0, waited = 0;
  std::vector<double> ready(made.steps.buffers.size());
  for (const action& a : made.steps.actions) {
    using enum action_kind;
    if (a.kind != begin_write && a.kind != finish_write && a.kind != begin_read && a.kind != finish_read) {
      step += share * claimed_cost(made, a, costs);
      continue;
    }
    double& end = ready[static_cast<std::size_t>(a.outputs[0])];
    if (a.kind == finish_write || a.kind == finish_read) {
      waited += std::max(0.0, end - step);
      step = std::max(step, end);
      continue;
    }
    const buffer &from = made.steps.buffers[a.inputs[0]], &to = made.steps.buffers[a.outputs[0]];
    const storage_form& form = a.kind == begin_write ? *to.form : *from.form;
    const transfer_rate rate = form.rate.write > 0 ? form.rate : of_others;
    const double bytes = static_cast<double>(a.kind == begin_write ? from.bytes : to.bytes);
    thread = std::max(thread, step) + second * bytes / (a.kind == begin_write ? rate.write : rate.read);
    end = thread;
  }
  return waited;
}

/// Of costs that are counted: an action of either half of backward takes as many FLOPs as the forward pass.
inline operation_costs claimed_flops(const program& p, std::size_t batch) {
  operation_costs costs = no_costs(p, batch);
  for (int i = 0; i < p.operations.count(); ++i) {
    operation_cost& each = costs.operations[static_cast<std::size_t>(i)];
    each.forward = each.backward_input = each.backward_parameters = p.operations[i].flops * static_cast<double>(batch);
    each.both = 2 * each.forward;
  }
  return costs;
}

inline void check_certificate(const program& p, const plan& made, const plan_claims& claims, std::size_t bytes) {
  const certificate& c = *claims.certified;
  if (claims.costs != nullptr) require_costs_of(p, *claims.costs);
  const operation_costs costs = claims.costs != nullptr ? *claims.costs : claimed_flops(p, made.batch);
  const double share = static_cast<double>(made.batch) / static_cast<double>(costs.batch);
  predicted_time sum;
  for (int i = 0; i < made.steps.actions.count(); ++i) {
    const action& a = made.steps.actions[i];
    double& part = a.kind == action_kind::recompute                ? sum.recomputed
                   : i < made.steps.sections[forward_section].last ? sum.forward
                                                                   : sum.backward;
    part += share * claimed_cost(made, a, costs);
  }
  const double second = claims.costs != nullptr ? 1 : counted_flops_per_second;
  sum.waiting = c.may_use_disk ? claimed_waiting(made, costs, share, second, c.rate) : 0;
  const auto are_equal = [](double a, double b) { return std::abs(a - b) <= 1e-9 * std::abs(a); };
  if (std::abs(sum.waiting - c.time.waiting) > 1e-9 * sum.sum())
    throw error("the certificate says that a step waits " + std::to_string(c.time.waiting) +
                " for transfers, and by the tape it waits " + std::to_string(sum.waiting));
  if (!are_equal(sum.forward, c.time.forward) || !are_equal(sum.backward, c.time.backward) ||
      !are_equal(sum.recomputed, c.time.recomputed))
    throw error("the certificate names a time of " + std::to_string(c.time.sum()) + ", of which " +
                std::to_string(c.time.recomputed) + " are recomputation, and the actions of the tape cost " +
                std::to_string(sum.sum()) + ", of which it is " + std::to_string(sum.recomputed));
  if (c.may_use_disk && c.least_on_disk > c.time.sum() * (1 + 1e-9))
    throw error("the certificate says that a step takes " + std::to_string(c.least_on_disk) +
                " at least, and the plan takes less");
  if (!made.steps.has_transfers && c.least_recomputed > c.time.recomputed * (1 + 1e-9))
    throw error("the certificate says that " + std::to_string(c.least_recomputed) +
                " must be computed again at least, and " + "the plan computes less");
  if (c.plan_bytes != bytes || c.plan_bytes > c.limit)
    throw error("the certificate names " + std::to_string(c.plan_bytes) + " bytes within a budget of " +
                std::to_string(c.limit) + ", and the plan takes " + std::to_string(bytes));
}

}  // namespace detail

/// Checks a plan of the fused program.
inline plan_check check_plan(const program& p, const plan& made, const plan_claims& claims = {}) {
  try {
    detail::tape_checker(p, made).check();
    const std::size_t in_flight = static_cast<std::size_t>(made.covered.splits ? made.covered.in_flight : 1);
    const std::size_t bytes = made.activation_bytes * in_flight + made.passing_bytes;
    if (claims.limit && bytes > *claims.limit)
      throw error("the plan takes " + std::to_string(bytes) + " bytes, which is more than its limit of " +
                  std::to_string(*claims.limit));
    if (claims.certified != nullptr) detail::check_certificate(p, made, claims, bytes);
  } catch (const error& fault) {
    return {fault.what()};
  }
  return {};
}

}  // namespace remat
