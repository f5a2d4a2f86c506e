// SPDX-License-Identifier: MIT
/// The checkpoints that the stages of a program divide (segments.hpp has the cases). No policy is asked what it keeps.
#pragma once

#include <remat/model/program.hpp>
#include <remat/plan/checkpoint_parts.hpp>
#include <remat/plan/checkpoint_search.hpp>

namespace remat {

/// The modules whose checkpoint is ignored under the stages of the program, outer ones first. No policy is asked.
constexpr core::list<ignored_checkpoint> ignored_checkpoints(const program& p) {
  detail::segment_search search{p};
  search.run();
  return search.divided.ignored();
}

/// The children of checkpointed sequentials that are checkpointed in parts under the stages of the program. No policy
/// is asked.
constexpr core::list<split_checkpoint> split_checkpoints(const program& p) {
  detail::segment_search search{p};
  search.run();
  return search.divided.split();
}

}  // namespace remat
