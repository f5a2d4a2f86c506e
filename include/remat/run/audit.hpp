// SPDX-License-Identifier: MIT
/// An audit: does a training step use exactly the memory that its plan promises?
///
/// The step runs in an arena of its own, between guards:
///
/// - with the activation region filled with 0xA5, and again with 0x5A: the bytes changed in either run are the bytes
///   really used. They must be the union of the planned buffers, no more and no less, and the guards intact;
/// - scribbled: every buffer is filled with NaN before the action that writes it first and after the one that reads it
///   last. Loss and gradients must be the same bits as without, and what is dead must still be NaN when the next buffer
///   begins there: nobody wrote where nothing lived.
///
/// Parameters and states stay as they are; gradients are as after a `train_step` on the same batch.
///
/// `audit(model, images, labels, optimizer)` is that of the step that updates the parameters: the region of their
/// gradients is audited in the same way, and what must be the same bits are loss and updated parameters. They and the
/// optimizer stay as they are; gradients are left by no step.
#pragma once

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
  std::size_t planned_bytes = 0;   ///< the plan's activation region
  std::size_t reserved_bytes = 0;  ///< what an arena for it reserves
  std::size_t used_bytes = 0;      ///< up to the last byte that the step changed, in units of the alignment
  bool uses_what_is_planned = false;
  bool guards_intact = false;
  bool survives_scribbling = false;
  bool leaves_the_dead_alone = false;
  std::size_t forward = 0, recompute = 0, backward = 0;  ///< kernel calls that ran

  /// Of the gradients of parameters, the same; 0 in a step without an optimizer.
  std::size_t planned_gradient_bytes = 0, reserved_gradient_bytes = 0, used_gradient_bytes = 0;

  bool holds() const {
    return uses_what_is_planned && guards_intact && survives_scribbling && leaves_the_dead_alone &&
           planned_bytes == reserved_bytes && planned_bytes == used_bytes &&
           planned_gradient_bytes == reserved_gradient_bytes && planned_gradient_bytes == used_gradient_bytes;
  }
};

namespace detail {

/// Every byte of a dead storage: four of them are a NaN.
inline constexpr std::byte scribble{0xff};

inline bool is_all(std::span<const std::byte> bytes, std::byte value) {
  return std::ranges::all_of(bytes, [=](std::byte b) { return b == value; });
}

/// Fills storages with NaN outside of their lives, in an arena that is NaN at the start.
class scribbler : public observer {
 public:
  explicit scribbler(const executor& e) : executor_(e) {}
  void before(int action) override {
    each_storage([&](const buffer& b, std::span<std::byte> bytes) {
      if (b.first == action) found_dead_ = found_dead_ && is_all(bytes, scribble);
    });
  }
  void after(int action) override {
    each_storage([&](const buffer& b, std::span<std::byte> bytes) {
      if (b.last == action) std::ranges::fill(bytes, scribble);
    });
  }
  bool found_dead() const { return found_dead_; }

 private:
  template <class F>
  void each_storage(const F& f) {
    const list<buffer>& buffers = executor_.planned().steps.buffers;
    for (int b = 0; b < buffers.count(); ++b)
      if (buffers[b].storage == b) f(buffers[b], std::span(executor_.address(b), buffers[b].bytes));
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

/// An arena of an executor or a pipeline, filled, each of its two regions between guards.
class guarded_arena {
 public:
  template <class Runs>
  guarded_arena(Runs& runs, std::byte fill)
      : activations_(runs.needed().activations),
        gradients_(runs.needed().gradients),
        block_(activations_ + gradients_ + 3 * guard),
        rest_(runs.needed().packed + runs.needed().scratch) {
    std::ranges::fill(block_.bytes(), fill);
    std::byte* const packed = rest_.data();
    if constexpr (requires { runs.bind(packed, packed, packed, packed); })
      runs.bind(activations().data(), packed, packed + runs.needed().packed, gradients().data());
    else
      runs.bind(activations().data(), packed, packed + runs.needed().packed);
  }
  std::span<std::byte> activations() const { return block_.bytes().subspan(guard, activations_); }
  std::span<std::byte> gradients() const { return block_.bytes().subspan(activations_ + 2 * guard, gradients_); }
  bool is_intact(std::byte fill) const {
    return is_all(block_.bytes().first(guard), fill) &&
           is_all(block_.bytes().subspan(guard + activations_, guard), fill) &&
           is_all(block_.bytes().last(guard), fill);
  }

 private:
  static constexpr std::size_t guard = 4096;
  std::size_t activations_, gradients_;
  memory_block block_, rest_;
};

/// The bytes of a region that steps changed, next to those that are planned.
class arena_usage {
 public:
  explicit arena_usage(std::size_t bytes) : changed_(bytes), planned_(bytes) {}

  void add_changed(std::span<const std::byte> region, std::byte fill) {
    for (std::size_t i = 0; i < changed_.size(); ++i)
      if (region[i] != fill) changed_[i] = true;
  }
  void add_planned(std::size_t at, std::size_t bytes) {
    for (std::size_t i = 0; i < bytes; ++i) planned_[at + i] = true;
  }
  bool is_as_planned() const { return changed_ == planned_; }
  /// Up to the last byte that was changed, in units of the alignment.
  std::size_t used_bytes() const {
    std::size_t end = changed_.size();
    while (end > 0 && !changed_[end - 1]) --end;
    return aligned(end);
  }

 private:
  std::vector<bool> changed_, planned_;
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

  arena_usage activations(r.planned_bytes), gradients(r.planned_gradient_bytes);
  step_result clean;
  r.guards_intact = true;
  for (const std::byte fill : {std::byte{0xa5}, std::byte{0x5a}}) {
    const guarded_arena arena(e, fill);
    clean = run(step);
    r.guards_intact = r.guards_intact && arena.is_intact(fill);
    activations.add_changed(arena.activations(), fill);
    gradients.add_changed(arena.gradients(), fill);
  }
  for (const buffer& each : e.planned().steps.buffers)
    (each.parameter == none ? activations : gradients).add_planned(each.offset, each.bytes);
  r.uses_what_is_planned = activations.is_as_planned() && gradients.is_as_planned();
  r.used_bytes = activations.used_bytes();
  r.used_gradient_bytes = gradients.used_bytes();

  const guarded_arena arena(e, scribble);
  scribbler scribbler(e);
  executor::step scribbled = step;
  scribbled.watching = &scribbler;
  r.survives_scribbling = run(scribbled) == clean;
  r.leaves_the_dead_alone =
      scribbler.found_dead() && is_all(arena.activations(), scribble) && is_all(arena.gradients(), scribble);
  r.forward = e.executed(action_kind::forward);
  r.recompute = e.executed(action_kind::recompute);
  r.backward = e.executed(action_kind::backward_input) + e.executed(action_kind::backward_parameters) +
               e.executed(action_kind::backward);
  return r;
}

inline audit_report audit_step(network& model, std::span<const source> sources) {
  const thread_scope scope = model.scope_of_call();
  const std::size_t batch = model.batch_of(sources, model.lowered().inputs);
  executor e(model.lowered(), plan_training(model.lowered(), model.terms().request(batch)), model.store());
  return audit_runs(e, {model.seed(), model.steps()}, [&](const executor::step& how) {
    const float value = model.run_training(e, how, sources);
    model.store().restore_states();
    const std::span<const std::byte> gradients = model.store().gradient_block();
    return step_result{std::bit_cast<std::uint32_t>(value), {gradients.begin(), gradients.end()}};
  });
}

template <class Optimizer>
audit_report audit_updates(network& model, std::span<const source> sources, const Optimizer& optimizer) {
  const thread_scope scope = model.scope_of_call();
  const std::size_t batch = model.batch_of(sources, model.lowered().inputs);
  executor e(model.lowered(), plan_training(model.lowered(), model.terms().request(batch, {}, updating::from_arena)),
             model.store());
  const std::span<std::byte> values = model.store().value_block();
  const std::vector<std::byte> before(values.begin(), values.end());
  return audit_runs(e, {model.seed(), model.steps()}, [&](executor::step how) {
    Optimizer copy = optimizer;
    updates_of_step updates(model, copy);
    how.updates = &updates;
    copy.begin(model, 1);
    const float value = model.run_training(e, how, sources);
    model.store().restore_states();
    step_result found{std::bit_cast<std::uint32_t>(value), {values.begin(), values.end()}};
    std::ranges::copy(before, values.begin());
    return found;
  });
}

}  // namespace detail

/// Audits the training step on one batch, as one micro-batch: `audit(model, images, labels)`, or with an optimizer behind
/// them the step that updates the parameters. Throws `error` for a model without a loss, for a batch that `train_step`
/// refuses, and for an optimizer that needs all gradients at once.
template <class... Arguments>
audit_report audit(network& model, const Arguments&... arguments) {
  if (model.lowered().loss == none) throw error("an audit runs a training step, and this model has no loss");
  const auto all = std::tie(arguments...);
  constexpr std::size_t tensors = detail::tensors_before_updater<Arguments...>();
  return [&]<std::size_t... I>(std::index_sequence<I...>) {
    const std::array<source, tensors> sources{source_of(std::get<I>(all))...};
    if constexpr (tensors == sizeof...(Arguments)) {
      return detail::audit_step(model, sources);
    } else {
      static_assert(tensors + 1 == sizeof...(Arguments),
                    "remat: audit takes inputs and targets, and then an optimizer");
      if (std::get<tensors>(all).needs_all_gradients())
        throw error("this optimizer needs all gradients at once, in a block; audit the step without it");
      return detail::audit_updates(model, sources, std::get<tensors>(all));
    }
  }
  (std::make_index_sequence<tensors>{});
}

}  // namespace remat
