// SPDX-License-Identifier: MIT
/// The regions of a plan's memory, and the places of its buffers in them.
#pragma once

#include <remat/plan/placement.hpp>
#include <remat/plan/plan_layout.hpp>

namespace remat {
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

}  // namespace remat
