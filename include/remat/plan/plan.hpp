// SPDX-License-Identifier: MIT
/// A plan: the tape of a step and the memory that it needs, from one function for `static_assert` and for run time.
#pragma once

#include <remat/model/lower.hpp>
#include <remat/plan/checked_batch.hpp>
#include <remat/plan/fuse.hpp>
#include <remat/plan/gradient_placement.hpp>
#include <remat/plan/parameter_updates.hpp>
#include <remat/plan/placement.hpp>
#include <remat/plan/plan_request.hpp>
#include <remat/plan/ports.hpp>
#include <remat/plan/slice.hpp>
#include <remat/plan/tape_writer.hpp>

#include <cstddef>

namespace remat {

/// A region of memory that buffers of a plan lie in: those that the same sections use first and last.
struct plan_region {
  int first_section = 0, last_section = 0;
  int port = core::none;    ///< it is the buffer of this port
  bool is_passing = false;  ///< nothing in it outlives a section: one is enough for all micro-batches
  std::size_t bytes = 0;
};

struct plan {
  std::size_t batch = 0;
  bool is_training = true;
  slice covered = {};
  core::list<stage_port> ports = {};
  core::list<segment> segments = {};
  core::list<segment_plan> segment_plans = {};
  tape steps = {};
  /// A step of one process has one region. A stage has one and, after it, one for each port. A stage that splits has in
  /// its place one for each two sections between which something is kept, and one for what passes.
  core::list<plan_region> regions = {};
  std::size_t activation_bytes = 0;  ///< of the arena's activation region; of a stage, of each micro-batch in flight
  std::size_t passing_bytes = 0;     ///< of a stage that splits: what waits for no other section, once for all
  std::size_t live_bytes = 0;        ///< the maximum of the bytes alive at once: no placement needs less
  std::size_t gradient_bytes = 0;    ///< that gradients of parameters need in addition, where they are buffers
  updating updates = updating::after_step;

  constexpr int region_of_port(int port) const { return regions.count() - ports.count() + port; }
};

namespace detail {

/// That of a whole program's gradients of parameters until they are placed, where they are buffers.
inline constexpr int gradient_region = 1;

constexpr void make_regions(plan& made) {
  const int last = made.steps.sections.count() - 1;
  if (!made.covered.splits) {
    made.regions.push_back({0, last});
  } else {
    for (int first = 0; first < last; ++first)
      for (int then = first + 1; then <= last; ++then) made.regions.push_back({first, then});
    made.regions.push_back({0, last, core::none, true});
  }
  for (int k = 0; k < made.ports.count(); ++k) {
    const int section = made.ports[k].is_gradient ? backward_section : forward_section;  // where no buffer says more
    made.regions.push_back({section, section, k});
  }
}

/// The region of what these sections use first and last, of a stage that splits.
constexpr int region_between(const plan& made, int first, int last) {
  int r = 0;
  while (first == last ? !made.regions[r].is_passing
                       : made.regions[r].first_section != first || made.regions[r].last_section != last)
    ++r;
  return r;
}

/// Says which region each buffer is in: this follows from the first and the last section that use it.
constexpr void choose_regions(plan& made) {
  for (buffer& b : made.steps.buffers) {
    const buffer& root = made.steps.buffers[b.allocation];
    const int first = made.steps.section_of(root.first), last = made.steps.section_of(root.last);
    if (b.port != core::none) {
      b.region = made.region_of_port(b.port);
      plan_region& here = made.regions[b.region];
      here.bytes = b.bytes;
      if (last > here.last_section) here.last_section = last;
    } else if (made.covered.splits) {
      b.region = region_between(made, first, last);
    }
  }
}

constexpr void place_all(plan& made) {
  make_regions(made);
  if (!made.covered.is_whole()) choose_regions(made);
  for (int r = 0; r < made.region_of_port(0); ++r) {
    plan_region& here = made.regions[r];
    here.bytes = place(made.steps, r);
    (here.is_passing ? made.passing_bytes : made.activation_bytes) += here.bytes;
    if (!here.is_passing) made.live_bytes += live_maximum(made.steps, r);
  }
}

}  // namespace detail

/// The plan of a training step of a slice: forward, loss, backward, and updates where they are asked for. `p` is a fused
/// program. Throws `error` for a batch that `checked_batch` refuses, and so does every plan.
constexpr plan plan_training(const program& p, const plan_request& request) {
  slice covered = request.covered;
  if (covered.is_whole()) covered.last = p.operations.count();
  plan made;
  made.batch = checked_batch(p, request.batch);
  made.covered = covered;
  if (!covered.is_whole()) made.ports = ports_of(p, covered.stage, true);
  made.segments = segments_of(p, request);
  const core::list<backward_need> needs = detail::backward_needs(p);
  made.segment_plans = plan_segments(p, covered, made.segments, needs, made.batch);
  made.steps = write_training_tape(p, covered, made.ports, made.segments, made.segment_plans, needs, made.batch);
  detail::place_all(made);
  made.updates = request.updates;  // activations are placed as without them
  if (made.updates != updating::after_step)
    made.steps = with_updates(p, made.steps, made.updates, covered.is_whole(), detail::gradient_region);
  if (made.updates == updating::from_arena) {
    made.gradient_bytes = place_gradients(made.steps, detail::gradient_region, made.activation_bytes);
    made.regions[0].bytes += made.gradient_bytes;
  }
  return made;
}
constexpr plan plan_training(const program& p, std::size_t batch, const slice& covered) {
  return plan_training(p, {.batch = batch, .covered = covered});
}
/// Of the whole program.
constexpr plan plan_training(const program& p, std::size_t batch) { return plan_training(p, batch, whole(p)); }

/// The bytes that the gradients of parameters would need as buffers in addition to activations, in a step like this one of
/// the whole program that updates the parameters.
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

/// The bytes that gradients of parameters need in addition to activations, in a training step of a model type that
/// updates them, `train_step(x, y, optimizer)` in one micro-batch: exactly what `model` reserves and uses for them.
template <class Net, class Input, class Loss = no_loss>
constexpr std::size_t peak_gradient_bytes(std::size_t batch) {
  return plan_training(fuse(lower<Net, Input, Loss>()), {.batch = batch, .updates = updating::from_arena})
      .gradient_bytes;
}

}  // namespace remat
