// SPDX-License-Identifier: MIT
/// The partition in words: a line for each module, breadth first, descending only where a module is on several
/// stages.
///
///     Partition assignments:
///     main: 0
///     loss: 1
///     features: 0
///     classifier: 1
///
/// The whole model is `main`. A module that is on several stages is listed with that of its first operation.
///
/// `checkpoint_log` has a line for each checkpoint that the stages divide:
///
///     checkpointing 'features' in parts: features.0 to features.5 on stage 0, features.6 to features.11 on stage 1
#pragma once

#include <remat/model/program.hpp>
#include <remat/model/stage_range.hpp>
#include <remat/plan/checkpoint_parts.hpp>
#include <remat/plan/checkpoint_search.hpp>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

namespace remat {

inline std::string partition_log(const program& p) {
  std::string text = "Partition assignments:\n";
  std::vector<int> level;
  for (int n = 0; n < p.nodes.count(); n = p.nodes[n].end) level.push_back(n);
  while (!level.empty()) {
    std::vector<int> next;
    for (const int n : level) {
      const std::string path = path_of(p, n);
      const stage_range stages = stages_of(p, n);
      text += (path.empty() ? "main" : path) + ": " + std::to_string(stages.first) + "\n";
      if (stages.is_one()) continue;
      for (int c = n + 1; c < p.nodes[n].end; c = p.nodes[c].end) next.push_back(c);
    }
    level = std::move(next);
  }
  return text;
}

namespace detail {

/// What of a node is in segments of its own, by stage.
inline split_checkpoint parts_by_stage(const segment_search& search, int n) {
  split_checkpoint made{n, {}};
  for (const found_segment& each : search.found) {
    if (each.node != n) continue;
    const int stage = search.p.operations[each.first].stage;
    if (made.parts.empty() || made.parts.back().stage != stage) made.parts.push_back({stage, each.first, each.last});
    made.parts.back().last = std::max(made.parts.back().last, each.last);
  }
  return made;
}

/// Whether a checkpoint of node n makes one segment of all that a stage has of it.
inline bool is_one_segment_on_a_stage(const module_node& n) {
  for (const checkpoint_setting& each : n.checkpoints)
    if (n.is_sequential && !each.cuts()) return true;
  return false;
}

}  // namespace detail

/// The children of checkpointed sequentials that are checkpointed in parts, and the sequentials themselves under
/// `strategy::contiguous`, which is one segment on each stage.
inline std::string checkpoint_log(const program& p) {
  std::string text;
  detail::segment_search search{p};
  search.run();
  const core::list<split_checkpoint>& split = search.divided.split();
  for (int n = 0, next = 0; n < p.nodes.count(); ++n) {
    if (next < split.count() && split[next].node == n)
      text += split_checkpoint_text(p, split[next++]) + "\n";
    else if (detail::is_one_segment_on_a_stage(p.nodes[n]) && !stages_of(p, n).is_one())
      if (const split_checkpoint parts = detail::parts_by_stage(search, n); !parts.parts.empty())
        text += split_checkpoint_text(p, parts) + "\n";
  }
  return text;
}

}  // namespace remat
