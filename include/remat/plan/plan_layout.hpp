// SPDX-License-Identifier: MIT
/// A plan: the tape of a step, its memory in regions, and where each buffer is.
#pragma once

#include <remat/plan/disk_use.hpp>
#include <remat/plan/segment.hpp>
#include <remat/plan/slice.hpp>
#include <remat/plan/stage_port.hpp>
#include <remat/plan/tape.hpp>
#include <remat/plan/updating.hpp>

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

/// The bytes that the activations of a plan take in all: of a stage, those of its micro-batches in flight.
constexpr std::size_t bytes_in_flight(const plan& p) {
  return p.activation_bytes * static_cast<std::size_t>(p.covered.splits ? p.covered.in_flight : 1) + p.passing_bytes;
}

}  // namespace remat
