// SPDX-License-Identifier: MIT
/// A plan: the tape of a step, its memory in regions, and where each buffer is.
#pragma once

#include <remat/plan/parameter_updates.hpp>
#include <remat/plan/placement.hpp>
#include <remat/plan/ports.hpp>
#include <remat/plan/segment.hpp>
#include <remat/plan/segment_plans.hpp>
#include <remat/plan/slice.hpp>
#include <remat/plan/stored_tensors.hpp>
#include <remat/plan/tape.hpp>

#include <cstddef>

namespace remat {

/// A region of memory that buffers of a plan are in: those that the same sections use first and last.
struct plan_region {
  int first_section = 0, last_section = 0;
  int port = core::none;    ///< it is the buffer of this port
  bool is_passing = false;  ///< nothing in it outlives a section: one is enough for all micro-batches
  std::size_t bytes = 0;
  int tasks_ahead =
      0;  ///< for how many tasks before its section what is in it is already on its way back (transfers.hpp)
};

struct plan {
  std::size_t batch = 0;
  bool is_training = true;
  slice covered = {};
  core::list<stage_port> ports = {};
  core::list<segment> segments = {};
  core::list<segment_plan> segment_plans = {};
  disk_use on_disk = {};  ///< what budgets have taken out of the arena
  tape steps = {};
  /// A step of one process has one region. A stage has one and, after it, one for each port. A stage that splits has in
  /// its place one for each two sections between which something is kept, one for what passes, and one for what is read
  /// back before the backward pass begins, where there is such.
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

/// Calls f(action) for the reads with which the backward pass of a stage that splits begins, in a task of its own.
template <class F>
constexpr void each_read_ahead(const plan& made, const F& f) {
  if (!made.covered.splits || !made.steps.has_transfers) return;
  for (int i = made.steps.sections[backward_section].first;
       i < made.steps.actions.count() && made.steps.actions[i].kind == action_kind::begin_read; ++i)
    f(made.steps.actions[i]);
}

/// How many tasks before that they begin.
constexpr int tasks_ahead(const plan& made) {
  int most = 0;
  each_read_ahead(made, [&](const action& a) {
    const int here = made.steps.buffers[a.inputs[0]].form->window.tasks_ahead;
    most = here > most ? here : most;
  });
  return most;
}

constexpr void make_regions(plan& made) {
  const int last = made.steps.sections.count() - 1;
  if (!made.covered.splits) {
    made.regions.push_back({0, last});
  } else {
    for (int first = 0; first < last; ++first)
      for (int then = first + 1; then <= last; ++then) made.regions.push_back({first, then});
    made.regions.push_back({0, last, core::none, true});
    if (const int ahead = tasks_ahead(made); ahead > 0)
      made.regions.push_back({backward_section, backward_section, core::none, false, 0, ahead});
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
  const int before_ports = made.region_of_port(0) - 1;
  core::list<int> is_ahead;
  if (made.covered.splits && made.regions[before_ports].tasks_ahead > 0) {
    is_ahead = core::list<int>(made.steps.buffers.size());
    each_read_ahead(made, [&](const action& a) { is_ahead[made.steps.buffers[a.outputs[0]].allocation] = 1; });
  }
  for (buffer& b : made.steps.buffers) {
    const buffer& root = made.steps.buffers[b.allocation];
    const int first = made.steps.section_of(root.first), last = made.steps.section_of(root.last);
    if (b.port != core::none) {
      b.region = made.region_of_port(b.port);
      plan_region& here = made.regions[b.region];
      here.bytes = b.bytes;
      if (last > here.last_section) here.last_section = last;
    } else if (made.covered.splits) {
      const bool comes_ahead = !is_ahead.empty() && is_ahead[b.allocation] != 0 && last == backward_section;
      b.region = comes_ahead ? before_ports : region_between(made, first, last);
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

/// The bytes that the activations of a plan take in all: of a stage, those of its micro-batches in flight.
constexpr std::size_t bytes_in_flight(const plan& p) {
  return p.activation_bytes * static_cast<std::size_t>(p.covered.splits ? p.covered.in_flight : 1) + p.passing_bytes;
}

}  // namespace remat
