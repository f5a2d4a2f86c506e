// SPDX-License-Identifier: MIT
/// An audit: does a training step use exactly the memory that its plan promises?
///
/// The step runs in an arena of its own, whose activations and memory of kernels are each between guards:
///
/// - filled with 0xA5, and again with 0x5A: the bytes changed in either run are the bytes really used. Those of
///   activations must be the union of the planned buffers, no more and no less; those of kernels, which may leave bytes
///   of their scratch as they are, no more. The guards must be intact;
/// - scribbled: every buffer, of a tensor or a kernel, is filled with NaN before the action that writes it first and
///   after the one that reads it last. Loss and gradients must be the same bits as without, and what is dead must still
///   be NaN when the next buffer begins there: nobody wrote where nothing lived.
///
/// Parameters and states stay as they are; gradients are as after a `train_step` on the same batch.
///
/// `audit(model, images, labels, optimizer)` is that of the step that updates the parameters: their gradients are among
/// the activations, and what must be the same bits are loss and updated parameters. They and the optimizer stay as they
/// are; gradients are left by no step.
#pragma once

#include <remat/check/arena_usage.hpp>
#include <remat/run/internals.hpp>
#include <remat/run/network.hpp>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <tuple>
#include <utility>
#include <vector>

namespace remat {

struct audit_report {
  std::size_t planned_bytes = 0;      ///< the plan's activation region
  std::size_t reserved_bytes = 0;     ///< what an arena for it reserves
  std::size_t used_bytes = 0;         ///< up to the last byte that the step changed, in units of the alignment
  bool uses_what_is_planned = false;  ///< of activations all, and nothing else
  bool guards_intact = false;
  bool survives_scribbling = false;
  bool leaves_the_dead_alone = false;
  std::size_t forward = 0, recompute = 0, backward = 0;  ///< kernel calls that ran

  /// What gradients of parameters need in addition, the same; 0 in a step without an optimizer.
  std::size_t planned_gradient_bytes = 0, reserved_gradient_bytes = 0, used_gradient_bytes = 0;

  bool holds() const {
    return uses_what_is_planned && guards_intact && survives_scribbling && leaves_the_dead_alone &&
           planned_bytes == reserved_bytes && planned_bytes == used_bytes &&
           planned_gradient_bytes == reserved_gradient_bytes && planned_gradient_bytes == used_gradient_bytes;
  }
};

namespace detail {

/// Every byte of a dead allocation: four of them are a NaN.
inline constexpr std::byte scribble{0xff};

/// Fills allocations with NaN outside of their lives, in an arena that is NaN at the start.
class scribbler : public observer {
 public:
  explicit scribbler(const executor& e) : executor_(e) {}
  void before(int action) override {
    each_allocation([&](const auto& b, std::span<std::byte> bytes) {
      if (b.first == action) found_dead_ = found_dead_ && is_all(bytes, scribble);
    });
  }
  void after(int action) override {
    each_allocation([&](const auto& b, std::span<std::byte> bytes) {
      if (b.last == action) std::ranges::fill(bytes, scribble);
    });
  }
  bool found_dead() const { return found_dead_; }

 private:
  template <class F>
  void each_allocation(const F& f) {
    const core::list<buffer>& buffers = executor_.planned().steps.buffers;
    for (int b = 0; b < buffers.count(); ++b)
      if (buffers[b].allocation == b) f(buffers[b], std::span(executor_.address(b), buffers[b].bytes));
    for (const kernel_buffer& b : executor_.kernels().buffers()) f(b, std::span(executor_.address(b), b.bytes));
  }
  const executor& executor_;
  bool found_dead_ = true;
};

/// What must be the same bits.
struct step_result {
  std::uint32_t loss = 0;
  std::vector<std::byte> numbers = {};  // gradients, or parameters that were updated

  bool operator==(const step_result&) const = default;
};

/// Audits an executor. `run(step)` runs it and gives what must be the same bits.
template <class Run>
audit_report audit_runs(executor& e, const executor::step& step, const Run& run) {
  audit_report r;
  r.planned_bytes = e.planned().activation_bytes;
  r.planned_gradient_bytes = e.planned().gradient_bytes;
  arena one_plan;
  one_plan.reserve(e.needed());
  r.reserved_bytes = one_plan.reserved().activations;
  r.reserved_gradient_bytes = one_plan.reserved().gradients;

  arena_usage activations(r.planned_bytes + r.planned_gradient_bytes), of_kernels(e.needed().kernels());
  step_result clean;
  r.guards_intact = true;
  for (const std::byte fill : {std::byte{0xa5}, std::byte{0x5a}}) {
    const guarded_arena arena(e, fill);
    clean = run(step);
    r.guards_intact = r.guards_intact && arena.is_intact(fill);
    activations.add_changed(arena.activations(), fill);
    of_kernels.add_changed(arena.kernels(), fill);
  }
  for (const buffer& each : e.planned().steps.buffers) activations.add_planned(each.offset, each.bytes);
  for (const kernel_buffer& each : e.kernels().buffers())
    of_kernels.add_planned((each.is_for_step ? 0 : e.kernels().step_bytes()) + each.offset, each.bytes);
  r.uses_what_is_planned = activations.is_as_planned() && of_kernels.is_within_plan();
  r.used_bytes = std::min(activations.used_bytes(), r.planned_bytes);
  r.used_gradient_bytes = activations.used_bytes() - r.used_bytes;

  const guarded_arena arena(e, scribble);
  scribbler scribbler(e);
  executor::step scribbled = step;
  scribbled.watching = &scribbler;
  r.survives_scribbling = run(scribbled) == clean;
  r.leaves_the_dead_alone =
      scribbler.found_dead() && is_all(arena.activations(), scribble) && is_all(arena.kernels(), scribble);
  r.forward = e.executed(action_kind::forward);
  r.recompute = e.executed(action_kind::recompute);
  r.backward = e.executed(action_kind::backward_input) + e.executed(action_kind::backward_parameters) +
               e.executed(action_kind::backward);
  return r;
}

inline audit_report audit_step(network& model, std::span<const tensor_source> sources) {
  const thread_scope scope = internals::scope_of_call(model);
  const std::size_t batch = model.batch_of(sources, model.lowered().inputs);
  executor e(model.lowered(), plan_training(model.lowered(), internals::terms(model).request(batch)),
             internals::store(model), internals::kernels(model));
  return audit_runs(e, {model.seed(), model.steps()}, [&](const executor::step& how) {
    const float value = internals::run_training(model, e, how, sources);
    internals::store(model).restore_states();
    const std::span<const std::byte> gradients = internals::store(model).gradient_block();
    return step_result{std::bit_cast<std::uint32_t>(value), {gradients.begin(), gradients.end()}};
  });
}

template <class Optimizer>
audit_report audit_updates(network& model, std::span<const tensor_source> sources, const Optimizer& optimizer) {
  const thread_scope scope = internals::scope_of_call(model);
  const std::size_t batch = model.batch_of(sources, model.lowered().inputs);
  executor e(model.lowered(),
             plan_training(model.lowered(), internals::terms(model).request(batch, {}, updating::from_arena)),
             internals::store(model), internals::kernels(model));
  const std::span<std::byte> values = internals::store(model).value_block();
  const std::vector<std::byte> before(values.begin(), values.end());
  return audit_runs(e, {model.seed(), model.steps()}, [&](executor::step how) {
    Optimizer copy = optimizer;
    updates_of_step updates(model, copy);
    how.updates = &updates;
    copy.begin(model, 1);
    const float value = internals::run_training(model, e, how, sources);
    internals::store(model).restore_states();
    step_result found{std::bit_cast<std::uint32_t>(value), {values.begin(), values.end()}};
    std::ranges::copy(before, values.begin());
    return found;
  });
}

}  // namespace detail

/// Audits the training step on one batch, as one micro-batch: `audit(model, images, labels)`, or with an optimizer
/// after them the step that updates the parameters. Throws `error` for a model without a loss, for a batch that
/// `train_step` refuses, and for an optimizer that needs all gradients at once.
template <class... Arguments>
audit_report audit(network& model, const Arguments&... arguments) {
  if (model.lowered().loss == core::none) throw error("an audit runs a training step, and this model has no loss");
  const auto all = std::tie(arguments...);
  constexpr std::size_t tensors = detail::tensors_before_updater<Arguments...>();
  return [&]<std::size_t... I>(std::index_sequence<I...>) {
    const std::array<tensor_source, tensors> sources{source_of(std::get<I>(all))...};
    if constexpr (tensors == sizeof...(Arguments)) {
      return detail::audit_step(model, sources);
    } else {
      static_assert(tensors + 1 == sizeof...(Arguments),
                    "remat: audit takes inputs and targets, and then an optimizer");
      if (may_fail(model.lowered()))
        throw error(
            "a step of this model may fail before its end, and keeps all gradients in a block; audit it without an "
            "optimizer");
      if (std::get<tensors>(all).needs_all_gradients())
        throw error("this optimizer needs all gradients at once, in a block; audit the step without it");
      return detail::audit_updates(model, sources, std::get<tensors>(all));
    }
  }
  (std::make_index_sequence<tensors>{});
}

}  // namespace remat
