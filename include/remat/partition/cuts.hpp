// SPDX-License-Identifier: MIT
/// Where a program may be cut into stages: before any of its operations but the first; and what a cut there costs its
/// checkpoints.
///
/// | the cut goes through                                                            | that module is          |
/// |---------------------------------------------------------------------------------|-------------------------|
/// | a checkpointed sequential, between two of its children                          | as it was: nothing      |
/// | a child of one, or a child of such a child, which is itself a sequential        | checkpointed in parts   |
/// | any other of these, or a checkpointed module that is no sequential              | ignored                 |
/// | any module with a budget, and what is inside of one                             | as it was: nothing      |
///
/// (plan/checkpoint_parts.hpp says how.)
#pragma once

#include <remat/model/program.hpp>

#include <compare>

namespace remat {

/// What cuts go through: what is ignored weighs more than any number of modules that are split.
struct crossed_checkpoints {
  int ignored = 0, split = 0;

  constexpr crossed_checkpoints operator+(const crossed_checkpoints& other) const {
    return {ignored + other.ignored, split + other.split};
  }
  constexpr auto operator<=>(const crossed_checkpoints&) const = default;
};

struct cut {
  int before = 0;                    ///< the first operation of the stage that begins here
  crossed_checkpoints crossed = {};  ///< nothing: a cut that is legal by hand, too
};

/// All cuts of a program, in order.
constexpr core::list<cut> cuts_of(const program& p) {
  core::list<cut> cuts;
  for (int i = 1; i < p.operations.count(); ++i) cuts.push_back({i, {}});
  core::list<int> divides(p.nodes.size());    // a sequential, whose children are not to be cut
  core::list<int> in_budget(p.nodes.size());  // a module around it has one
  for (int n = 0; n < p.nodes.count(); ++n) {
    const module_node& here = p.nodes[n];
    in_budget[n] = here.parent != core::none && (in_budget[here.parent] != 0 || p.nodes[here.parent].has_budget());
    if (in_budget[n] != 0) continue;
    const bool is_child = here.parent != core::none && divides[here.parent] != 0;
    const bool is_checkpointed = here.is_within_one_stage();
    if (!is_child && !is_checkpointed) continue;
    divides[n] = here.is_sequential;
    if (here.is_sequential && !is_child) continue;
    for (int i = here.first + 1; i < here.last; ++i)
      ++(here.is_sequential ? cuts[i - 1].crossed.split : cuts[i - 1].crossed.ignored);
  }
  return cuts;
}

/// Whether all cuts go between checkpoints.
constexpr bool cross_nothing(const core::list<cut>& cuts) {
  for (const cut& each : cuts)
    if (each.crossed != crossed_checkpoints{}) return false;
  return true;
}

}  // namespace remat
