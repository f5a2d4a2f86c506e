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
#pragma once

#include <remat/run/network.hpp>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
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

  bool holds() const {
    return uses_what_is_planned && guards_intact && survives_scribbling && leaves_the_dead_alone &&
           planned_bytes == reserved_bytes && planned_bytes == used_bytes;
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
  std::vector<std::byte> gradients = {};

  bool operator==(const step_result&) const = default;
};

/// An arena of an executor or a pipeline, filled, between two guards.
class guarded_arena {
 public:
  template <class Runs>
  guarded_arena(Runs& runs, std::size_t activations, std::byte fill)
      : size_(activations), block_(size_ + 2 * guard), rest_(runs.needed().packed + runs.needed().scratch) {
    std::ranges::fill(block_.bytes(), fill);
    runs.bind(block_.data() + guard, rest_.data(), rest_.data() + runs.needed().packed);
  }
  std::span<const std::byte> activations() const { return {block_.data() + guard, size_}; }
  bool is_intact(std::byte fill) const {
    return is_all(block_.bytes().first(guard), fill) && is_all(block_.bytes().last(guard), fill);
  }

 private:
  static constexpr std::size_t guard = 4096;
  std::size_t size_;
  memory_block block_, rest_;
};

/// The bytes of an arena that steps changed, beside those that are planned.
class arena_usage {
 public:
  explicit arena_usage(std::size_t bytes) : changed_(bytes), planned_(bytes) {}

  void add_changed(const guarded_arena& arena, std::byte fill) {
    for (std::size_t i = 0; i < changed_.size(); ++i)
      if (arena.activations()[i] != fill) changed_[i] = true;
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

}  // namespace detail

/// Audits the training step on one batch, as one micro-batch: `audit(model, images, labels)`. Throws `error` for a
/// model without a loss, and for a batch that `train_step` refuses.
template <class... Tensors>
audit_report audit(network& model, const Tensors&... tensors) {
  if (model.lowered().loss == none) throw error("an audit runs a training step, and this model has no loss");
  const std::array<source, sizeof...(Tensors)> sources{source_of(tensors)...};
  const thread_scope scope = model.scope_of_call();
  const std::size_t batch = model.batch_of(sources, model.lowered().inputs);
  executor e(model.lowered(), plan_training(model.lowered(), model.terms().request(batch)), model.store());
  const executor::step step{model.seed(), model.steps()};
  const auto run = [&](const executor::step& how) {
    const float value = model.run_training(e, how, sources);
    model.store().restore_states();
    const std::span<const std::byte> gradients = model.store().gradient_block();
    return detail::step_result{std::bit_cast<std::uint32_t>(value), {gradients.begin(), gradients.end()}};
  };

  audit_report r;
  r.planned_bytes = e.planned().activation_bytes;
  arena one_plan;
  one_plan.reserve(e.needed());
  r.reserved_bytes = one_plan.reserved().activations;

  detail::arena_usage usage(r.planned_bytes);
  detail::step_result clean;
  r.guards_intact = true;
  for (const std::byte fill : {std::byte{0xa5}, std::byte{0x5a}}) {
    const detail::guarded_arena arena(e, r.planned_bytes, fill);
    clean = run(step);
    r.guards_intact = r.guards_intact && arena.is_intact(fill);
    usage.add_changed(arena, fill);
  }
  for (const buffer& each : e.planned().steps.buffers) usage.add_planned(each.offset, each.bytes);
  r.uses_what_is_planned = usage.is_as_planned();
  r.used_bytes = usage.used_bytes();

  const detail::guarded_arena arena(e, r.planned_bytes, detail::scribble);
  detail::scribbler scribbler(e);
  executor::step scribbled = step;
  scribbled.watching = &scribbler;
  r.survives_scribbling = run(scribbled) == clean;
  r.leaves_the_dead_alone = scribbler.found_dead() && detail::is_all(arena.activations(), detail::scribble);
  r.forward = e.executed(action_kind::forward);
  r.recompute = e.executed(action_kind::recompute);
  r.backward = e.executed(action_kind::backward_input) + e.executed(action_kind::backward_parameters) +
               e.executed(action_kind::backward);
  return r;
}

}  // namespace remat
