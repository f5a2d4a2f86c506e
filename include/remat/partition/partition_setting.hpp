// SPDX-License-Identifier: MIT
/// A partition: the stage of every operation of a fused program, from a setting that is chosen when a model is built.
///
/// A setting is a value: one of remat/partition/partition.hpp, or a user's own, from a function that gives the stage of
/// each operation. Stages start at 0, never fall along the program, and none is empty.
///
/// What is in the type or is given by hand is followed to the letter, or refused: a checkpoint that is on two
/// stages is an `error`. An automatic partition keeps its balance and may cut through one: a child of a checkpointed
/// sequential that is itself a sequential is then checkpointed in parts (`split_checkpoints` tells), and what cannot be
/// divided is ignored: `assign_stages` returns it, and training goes on (plan/segments.hpp).
#pragma once

#include <remat/core/error.hpp>
#include <remat/core/warning.hpp>
#include <remat/model/program.hpp>
#include <remat/plan/divided_checkpoints.hpp>
#include <remat/plan/operation_costs.hpp>
#include <remat/plan/plan_terms.hpp>

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <utility>

namespace remat {
namespace partition {

/// What a partition is asked for.
struct request {
  int stages = 0;         ///< in all; 0: as many as a partition by hand has
  int ranks = 0;          ///< stage s is on rank s % ranks; 0: as many as stages
  std::size_t batch = 1;  ///< of a micro-batch
  /// The bytes that the operations [first, last) need as a stage; asked for by `balanced_memory` alone.
  std::function<double(int first, int last, int stage)> bytes = {};
  /// About the same, found in less time; where it is given, `bytes` is asked for the stages alone that are chosen.
  std::function<double(int first, int last, int stage)> estimated_bytes = {};
  plan_terms terms = {};  ///< on which policies choose what is computed again
};

struct setting {
  std::string name;
  bool is_automatic = false;
  std::function<core::list<int>(const program&, const request&)> stages_of_operations;
  std::optional<operation_costs> costs = {};  ///< what it balances, where these were measured
};

/// A setting without data, as a constant that costs nothing where it is not used.
struct constant {
  const char* name;
  bool is_automatic;
  core::list<int> (*stages_of_operations)(const program&, const request&);

  operator setting() const {  // NOLINT(google-explicit-constructor): it is one
    return {name, is_automatic, stages_of_operations, {}};
  }
};

}  // namespace partition

namespace detail {

inline void require_stages(const program& p, const partition::setting& s, const partition::request& r,
                           const core::list<int>& stages) {
  if (stages.size() != p.operations.size())
    throw error("the partition '" + s.name + "' gives " + std::to_string(stages.size()) + " stages for " +
                std::to_string(p.operations.size()) + " operations; it must give one for each");
  const int count = stages.empty() ? 0 : stages.back() + 1;
  for (int i = 0, before = -1; i < stages.count(); before = stages[i++]) {
    if (stages[i] < before)
      throw error("the partition '" + s.name + "' puts " + quoted_path(p, p.operations[i].node) + " on stage " +
                  std::to_string(stages[i]) + ", after " + quoted_path(p, p.operations[i - 1].node) + " on stage " +
                  std::to_string(before) + "; stages must not fall along the program");
    if (stages[i] > before + 1)
      throw error("the partition '" + s.name + "' leaves stage " + std::to_string(before + 1) +
                  " empty; every stage from 0 to " + std::to_string(count - 1) +
                  " needs an operation (a module that is fused into the one before it, as a relu into a convolution, "
                  "has none of its own)");
  }
  if (r.stages != 0 && r.stages != count)
    throw error("the partition '" + s.name + "' has " + std::to_string(count) + " stages, and " +
                std::to_string(r.stages) + " are needed; give every stage from 0 to " + std::to_string(r.stages - 1) +
                " a part of the model, or ask for " + std::to_string(count));
}

inline std::string two_stages(const stage_range& stages) {
  return "stages " + std::to_string(stages.first) + (stages.last == stages.first + 1 ? " and " : " to ") +
         std::to_string(stages.last);
}

/// Whether node n is a child of a checkpointed sequential.
inline bool is_checkpointed_child(const program& p, int n) {
  const int parent = p.nodes[n].parent;
  return parent != core::none && p.nodes[parent].is_sequential && p.nodes[parent].is_within_one_stage();
}

/// The outermost and first module that no stage boundary by hand may go through and that is on two stages, or `none`.
inline int broken_checkpoint(const program& p) {
  for (int n = 0; n < p.nodes.count(); ++n) {
    const bool is_one = (p.nodes[n].is_within_one_stage() && !p.nodes[n].is_sequential) || is_checkpointed_child(p, n);
    if (is_one && !stages_of(p, n).is_one()) return n;
  }
  return core::none;
}

}  // namespace detail

/// Sets the stage of every operation and node of the fused program `p`. Returns the checkpoints that are ignored since
/// an automatic partition had to cut through them. Throws `error` for an impossible partition, and for one by hand that
/// breaks a checkpoint.
inline core::list<ignored_checkpoint> assign_stages(program& p, const partition::setting& s,
                                                    const partition::request& r = {}) {
  const core::list<int> stages = s.stages_of_operations(p, r);
  detail::require_stages(p, s, r, stages);
  program assigned = p;
  for (int i = 0; i < p.operations.count(); ++i) assigned.operations[i].stage = stages[i];
  for (int n = 0; n < p.nodes.count(); ++n) assigned.nodes[n].stage = stages_of(assigned, n).first;
  const int broken = s.is_automatic ? core::none : detail::broken_checkpoint(assigned);
  if (broken != core::none) {
    const std::string what = quoted_path(p, broken) + " is on " + detail::two_stages(stages_of(assigned, broken));
    if (detail::is_checkpointed_child(p, broken))
      throw error("a child of a checkpointed sequential must be within one stage, and " + what +
                  "; move the boundary to its start or end, or the checkpoint into it");
    throw error("a checkpointed module that is no sequential must be within one stage, and " + what +
                "; move the boundary to its start or end, or checkpoint its parts");
  }
  p = std::move(assigned);
  return ignored_checkpoints(p);
}

/// What is said of a checkpoint that is ignored.
inline std::string skipped_checkpoint_text(const program& p, const ignored_checkpoint& i) {
  return "Skipping activation checkpointing for module " + quoted_path(p, i.node) + ": it is on " +
         detail::two_stages(i.stages) +
         " of the automatic partition, and it is no sequential, which would be checkpointed in parts; what it holds is "
         "kept";
}

/// Warns of each; a job calls this on one rank.
inline void warn_of_skipped_checkpoints(const program& p, const core::list<ignored_checkpoint>& ignored) {
  for (const ignored_checkpoint& each : ignored)
    warn(warning_names::skipped_checkpoint, skipped_checkpoint_text(p, each));
}

}  // namespace remat
