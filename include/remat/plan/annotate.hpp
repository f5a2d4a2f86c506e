// SPDX-License-Identifier: MIT
/// What is said of the modules of a program when a model is built, by path: checkpoints, what is frozen, and what keeps
/// its running statistics.
#pragma once

#include <remat/core/error.hpp>
#include <remat/model/program.hpp>
#include <remat/plan/checkpoints.hpp>
#include <remat/plan/module_paths.hpp>
#include <remat/plan/segment_boundaries.hpp>
#include <remat/plan/sought_words.hpp>

#include <string>
#include <vector>

namespace remat {

namespace detail {

inline void require_one_stage(const program& p, int n) {
  const module_node& here = p.nodes[n];
  for (int i = here.first; i < here.last; ++i)
    if (p.operations[i].stage != p.operations[here.first].stage)
      throw error("the checkpointed module '" + path_of(p, n) + "' is on stages " +
                  std::to_string(p.operations[here.first].stage) + " and " + std::to_string(p.operations[i].stage) +
                  "; a checkpoint must be within one stage: checkpoint its parts");
}

}  // namespace detail

/// Puts checkpoints in place of the tags of the program, unless they are the tags. Throws `error` for a path that the
/// model does not have, for a strategy on a module without children, for a checkpoint that is not within one stage, and
/// for a policy about kinds or names that are not inside of it.
inline void annotate(program& p, const checkpoints& all) {
  if (!all.replace_tags()) return;
  for (module_node& n : p.nodes) n.checkpoints.clear();
  for (const checkpoint_at& wanted : all) {
    const int n = detail::require_node(p, wanted.path);
    module_node& here = p.nodes[n];
    if (!here.is_sequential && wanted.setting.cuts())
      throw error("the module '" + wanted.path +
                  "' is no sequential, so it has no children for a strategy to group; checkpoint it as one");
    detail::require_words(p, n, wanted.setting.policy,
                          wanted.path.empty() ? "the model" : "the checkpointed module '" + wanted.path + "'");
    here.checkpoints.push_back(wanted.setting);
    if (!here.is_sequential)
      detail::require_one_stage(p, n);
    else
      for (int c = n + 1; c < here.end; c = p.nodes[c].end) detail::require_one_stage(p, c);
  }
}

/// Freezes the modules at these paths, and every operation that shares a parameter with a frozen one. Throws `error`
/// for a path that the model does not have.
inline void freeze(program& p, const std::vector<std::string>& paths) {
  for (const std::string& path : paths) {
    const module_node& here = p.nodes[detail::require_node(p, path)];
    for (int i = here.first; i < here.last; ++i) p.operations[i].frozen = true;
  }
  spread_frozen(p);
}

/// Lets every module at these paths that has running statistics (a batch norm, or what holds some) use and keep them in
/// training. Throws `error` for a path that the model does not have, or where nothing has such.
inline void keep_states(program& p, const std::vector<std::string>& paths) {
  for (const std::string& path : paths) {
    const module_node& here = p.nodes[detail::require_node(p, path)];
    bool has_some = false;
    for (int i = here.first; i < here.last; ++i)
      if (p.operations[i].kernels_on_kept_states != nullptr) p.operations[i].keeps_states = has_some = true;
    if (!has_some)
      throw error("the module '" + path +
                  "' has no running statistics to train on; name a batch_norm2d, or a module that holds one");
  }
}

}  // namespace remat
