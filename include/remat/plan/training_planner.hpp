// SPDX-License-Identifier: MIT
/// The steps from a request to a plan: segments, tape, memory. What budgets choose is told from outside.
#pragma once

#include <remat/plan/checked_batch.hpp>
#include <remat/plan/gradient_placement.hpp>
#include <remat/plan/parameter_updates.hpp>
#include <remat/plan/plan_layout.hpp>
#include <remat/plan/plan_regions.hpp>
#include <remat/plan/plan_request.hpp>
#include <remat/plan/segment.hpp>
#include <remat/plan/segments.hpp>
#include <remat/plan/tape_writer.hpp>

namespace remat::detail {

/// Makes the plans of a request, which differ in what budgets choose.
class training_planner {
 public:
  constexpr training_planner(const program& p, const plan_request& request)
      : p_(p), request_(request), covered_(request.covered), needs_(backward_needs(p)) {
    if (covered_.is_whole()) covered_.last = p.operations.count();
    if (!covered_.is_whole()) ports_ = ports_of(p, covered_.stage, true);
    checked_batch(p, request.batch);
  }

  constexpr const slice& covered() const { return covered_; }
  constexpr const core::list<stage_port>& ports() const { return ports_; }
  constexpr const core::list<backward_need>& needs() const { return needs_; }

  /// Where budgets compute these ranges again, and use the disk so.
  constexpr plan make(const core::list<chosen_range>& chosen = {}, int ahead = 0, const disk_use& on_disk = {}) const {
    plan made = with_segments(chosen);
    made.on_disk = on_disk;
    write_tape(made, ahead);
    place(made);
    return made;
  }
  /// What is decided before a tape is written.
  constexpr plan with_segments(const core::list<chosen_range>& chosen) const {
    plan made;
    made.batch = request_.batch;
    made.covered = covered_;
    made.ports = ports_;
    made.segments = segments_of(p_, request_, chosen);
    made.segment_plans = plan_segments(p_, covered_, made.segments, needs_, made.batch);
    return made;
  }
  /// The last `ahead` of the outermost segments that budgets chose are computed again before a gradient is waited for.
  constexpr void write_tape(plan& made, int ahead = 0) const {
    made.steps = write_training_tape(p_, covered_, made.ports, made.segments, made.segment_plans, needs_, made.batch,
                                     ahead, made.on_disk);
  }
  constexpr void place(plan& made) const {
    place_all(made);
    made.updates = request_.updates;  // activations are placed as without them
    if (made.updates != updating::after_step)
      made.steps = with_updates(p_, made.steps, made.updates, covered_.is_whole(), gradient_region);
    if (made.updates == updating::from_arena) {
      made.gradient_bytes = place_gradients(made.steps, gradient_region, made.activation_bytes);
      made.regions[0].bytes += made.gradient_bytes;
    }
  }

 private:
  const program& p_;
  const plan_request& request_;
  slice covered_;
  core::list<stage_port> ports_ = {};
  core::list<backward_need> needs_;
};

}  // namespace remat::detail
