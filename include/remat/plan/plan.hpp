// SPDX-License-Identifier: MIT
/// A plan: the tape of a step and the memory that it needs, from one function for `static_assert` and for run time.
#pragma once

#include <remat/model/lower.hpp>
#include <remat/plan/fuse.hpp>
#include <remat/plan/placement.hpp>
#include <remat/plan/tape_writer.hpp>

#include <cstddef>

namespace remat {

struct plan {
  std::size_t batch = 0;
  bool is_training = true;
  list<segment> segments = {};
  list<segment_plan> segment_plans = {};
  tape steps = {};
  std::size_t activation_bytes = 0;  ///< of the arena's activation region
  std::size_t live_bytes = 0;        ///< the maximum of the bytes alive at once: no placement needs less
};

/// The plan of a training step: forward, loss, backward. `p` is a fused program.
constexpr plan plan_training(const program& p, std::size_t batch) {
  plan made;
  made.batch = batch;
  made.segments = segments_of(p);
  made.segment_plans = plan_segments(p, made.segments, batch);
  made.steps = write_training_tape(p, made.segments, made.segment_plans, batch);
  made.activation_bytes = place(made.steps);
  made.live_bytes = live_maximum(made.steps);
  return made;
}

/// The plan of a forward pass that keeps nothing.
constexpr plan plan_inference(const program& p, std::size_t batch) {
  plan made;
  made.batch = batch;
  made.is_training = false;
  made.steps = write_inference_tape(p, batch);
  made.activation_bytes = place(made.steps);
  made.live_bytes = live_maximum(made.steps);
  return made;
}

/// How often a plan runs a kind of action.
constexpr std::size_t count(const plan& p, action_kind kind) {
  std::size_t found = 0;
  for (const action& a : p.steps.actions)
    if (a.kind == kind) ++found;
  return found;
}

/// For each buffer, 1 if it waits between the forward and the backward pass: made before, and read by an action of
/// backward.
constexpr list<int> kept_buffers(const plan& p) {
  list<int> kept(p.steps.buffers.size());
  for (int i = p.steps.backward_begins; i < p.steps.actions.count(); ++i) {
    const action& a = p.steps.actions[i];
    if (a.kind == action_kind::fetch) continue;
    for (const auto* read : {&a.inputs, &a.outputs, &a.saved})
      for (int b : *read)
        if (b != none) kept[b] = p.steps.buffers[b].first < p.steps.backward_begins && !p.steps.buffers[b].is_gradient;
  }
  return kept;
}

/// Bytes that wait between the forward and the backward pass.
constexpr std::size_t kept_bytes(const plan& p) {
  const list<int> kept = kept_buffers(p);
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

}  // namespace remat
