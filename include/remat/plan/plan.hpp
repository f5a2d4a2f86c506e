// SPDX-License-Identifier: MIT
/// A plan: the tape of a step and the memory that it needs, from one function for `static_assert` and for run time.
#pragma once

#include <remat/model/lower.hpp>
#include <remat/plan/checked_batch.hpp>
#include <remat/plan/fuse.hpp>
#include <remat/plan/placement.hpp>
#include <remat/plan/ports.hpp>
#include <remat/plan/slice.hpp>
#include <remat/plan/tape_writer.hpp>

#include <cstddef>

namespace remat {

/// The regions of memory that a plan's buffers lie in. A step of one process has the first alone. A stage of a pipeline
/// has one for each port and, where several of its micro-batches are in flight, one more: what waits for backward, once
/// for each of them, is apart from what does not.
inline constexpr int step_region = 0, passing_region = 1, first_port_region = 2;

struct plan {
  std::size_t batch = 0;
  bool is_training = true;
  slice covered = {};
  list<port> ports = {};
  list<segment> segments = {};
  list<segment_plan> segment_plans = {};
  tape steps = {};
  std::size_t activation_bytes = 0;  ///< of the arena's activation region; of a stage, of each micro-batch in flight
  std::size_t passing_bytes = 0;     ///< of a stage that splits: what does not wait for backward, once for all
  std::size_t live_bytes = 0;        ///< the maximum of the bytes alive at once: no placement needs less
};

namespace detail {

/// Says which region each buffer is in.
constexpr void choose_regions(plan& made) {
  for (buffer& b : made.steps.buffers) {
    const buffer& root = made.steps.buffers[b.storage];
    const int begins = made.steps.backward_begins;
    if (b.port != none)
      b.region = first_port_region + b.port;
    else if (made.covered.splits && !(root.first < begins && root.last >= begins))
      b.region = passing_region;
  }
}

constexpr void place_all(plan& made) {
  if (!made.covered.is_whole()) choose_regions(made);
  made.activation_bytes = place(made.steps, step_region);
  if (made.covered.splits) made.passing_bytes = place(made.steps, passing_region);
  made.live_bytes = live_maximum(made.steps);
}

}  // namespace detail

/// The plan of a training step of a slice: forward, loss, backward. `p` is a fused program. Throws `error` for a batch
/// that `checked_batch` refuses, and so does every plan.
constexpr plan plan_training(const program& p, std::size_t batch, const slice& covered) {
  plan made;
  made.batch = checked_batch(p, batch);
  made.covered = covered;
  if (!covered.is_whole()) made.ports = ports_of(p, covered.stage, true);
  made.segments = segments_of(p, covered);
  made.segment_plans = plan_segments(p, covered, made.segments, batch);
  made.steps = write_training_tape(p, covered, made.ports, made.segments, made.segment_plans, batch);
  detail::place_all(made);
  return made;
}
/// Of the whole program.
constexpr plan plan_training(const program& p, std::size_t batch) { return plan_training(p, batch, whole(p)); }

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
