// SPDX-License-Identifier: MIT
/// A plan: the tape of a step and the memory that it needs, from one function for `static_assert` and for run time.
#pragma once

#include <remat/model/lower.hpp>
#include <remat/plan/budget_limits.hpp>
#include <remat/plan/budget_search.hpp>
#include <remat/plan/checked_batch.hpp>
#include <remat/plan/fuse.hpp>
#include <remat/plan/gradient_placement.hpp>
#include <remat/plan/parameter_updates.hpp>
#include <remat/plan/placement.hpp>
#include <remat/plan/plan_layout.hpp>
#include <remat/plan/plan_regions.hpp>
#include <remat/plan/plan_request.hpp>
#include <remat/plan/ports.hpp>
#include <remat/plan/slice.hpp>
#include <remat/plan/tape_writer.hpp>
#include <remat/plan/training_planner.hpp>

#include <cstddef>
#include <optional>

namespace remat {

/// The plan of a training step of a slice: forward, loss, backward, and updates where they are asked for. `p` is a
/// fused program. Throws `error` for a batch that `checked_batch` refuses, and so does every plan.
constexpr plan plan_training(const program& p, const plan_request& request) {
  const detail::training_planner planner(p, request);
  if (request.chosen != nullptr)
    return planner.make(request.chosen->ranges, request.chosen->ahead, request.chosen->on_disk);
  if (has_budget(p, request)) return detail::budget_search(planner, p, request).run();
  return planner.make();
}
constexpr plan plan_training(const program& p, std::size_t batch, const slice& covered) {
  return plan_training(p, {.batch = batch, .covered = covered});
}
/// Of the whole program.
constexpr plan plan_training(const program& p, std::size_t batch) { return plan_training(p, batch, whole(p)); }

/// The bytes that the gradients of parameters would need as buffers in addition to activations, in a step like this one
/// of the whole program that updates the parameters.
constexpr std::size_t transient_gradient_bytes(const program& p, const plan& made) {
  tape updating_step = with_updates(p, made.steps, updating::from_arena, true, detail::gradient_region);
  return place_gradients(updating_step, detail::gradient_region, made.activation_bytes);
}

/// The plan of a forward pass that keeps nothing.
constexpr plan plan_inference(const program& p, std::size_t batch, const slice& covered) {
  plan made;
  made.batch = checked_batch(p, batch);
  made.is_training = false;
  made.covered = covered;
  if (!covered.is_whole()) made.ports = ports_of(p, covered.stage, false);
  made.steps = write_inference_tape(p, covered, made.ports, batch);
  detail::place_all(made);
  return made;
}
constexpr plan plan_inference(const program& p, std::size_t batch) { return plan_inference(p, batch, whole(p)); }

/// How often a plan runs a kind of action.
constexpr std::size_t count(const plan& p, action_kind kind) {
  std::size_t found = 0;
  for (const action& a : p.steps.actions)
    if (a.kind == kind) ++found;
  return found;
}

/// For each buffer, 1 if it waits between the forward and the backward pass: made before, and read by an action of
/// backward.
constexpr core::list<int> kept_buffers(const plan& p) {
  core::list<int> kept(p.steps.buffers.size());
  const int backward = p.steps.end_of(forward_section);
  for (int i = backward; i < p.steps.actions.count(); ++i) {
    const action& a = p.steps.actions[i];
    if (a.kind == action_kind::fetch) continue;
    for (const auto* read : {&a.inputs, &a.outputs, &a.saved})
      for (int b : *read)
        if (b != core::none) kept[b] = p.steps.buffers[b].first < backward && !p.steps.buffers[b].is_gradient;
  }
  return kept;
}

/// Bytes that wait between the forward and the backward pass.
constexpr std::size_t kept_bytes(const plan& p) {
  const core::list<int> kept = kept_buffers(p);
  std::size_t sum = 0;
  for (int b = 0; b < kept.count(); ++b)
    if (kept[b]) sum += p.steps.buffers[b].bytes;
  return sum;
}

/// Peak bytes of activations in a training step of a model type: exactly the activation region that `model` reserves
/// and uses at this batch. Without a loss, of the forward pass and of backward from given gradients of the outputs. A
/// constant expression, so that a `static_assert` can hold it to a budget.
template <class Net, class Input, class Loss = no_loss>
constexpr std::size_t peak_activation_bytes(std::size_t batch) {
  return plan_training(fuse(lower<Net, Input, Loss>()), batch).activation_bytes;
}

namespace detail {

/// Peak bytes of a step; where a budget is too small for it, what it has and what it would take.
struct peak_within_budget {
  std::size_t peak = 0;
  budget_bytes of_budget = {};
};
constexpr peak_within_budget find_peak(const program& p, std::size_t batch) {
  const plan_request request{.batch = batch};
  if (!has_budget(p, request)) return {plan_training(p, request).activation_bytes};
  const training_planner planner(p, request);
  budget_search search(planner, p, request);
  if (const std::optional<plan> found = search.find()) return {found->activation_bytes};
  return {0, search.shortfall()};
}

}  // namespace detail

/// The same of a batch that is in the type, too: there a budget that is too small is a rule's error, which names the
/// smallest number of bytes with which a step fits.
template <class Net, class Input, class Loss, std::size_t Batch>
constexpr std::size_t peak_activation_bytes() {
  constexpr detail::peak_within_budget found = detail::find_peak(fuse(lower<Net, Input, Loss>()), Batch);
  static_assert(rules::budget_holds_a_step<given_bytes<found.of_budget.given>,
                                           smallest_feasible_bytes<found.of_budget.smallest>, of_batch<Batch>>::holds);
  return found.peak;
}
template <class Net, class Input, std::size_t Batch>
constexpr std::size_t peak_activation_bytes() {
  return peak_activation_bytes<Net, Input, no_loss, Batch>();
}

/// The bytes that gradients of parameters need in addition to activations, in a training step of a model type that
/// updates them, `train_step(x, y, optimizer)` in one micro-batch: exactly what `model` reserves and uses for them.
template <class Net, class Input, class Loss = no_loss>
constexpr std::size_t peak_gradient_bytes(std::size_t batch) {
  return plan_training(fuse(lower<Net, Input, Loss>()), {.batch = batch, .updates = updating::from_arena})
      .gradient_bytes;
}

}  // namespace remat
