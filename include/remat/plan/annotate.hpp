// SPDX-License-Identifier: MIT
/// What is said of the modules of a program when a model is built, by path: checkpoints, what is frozen, and what keeps
/// its running statistics.
#pragma once

#include <remat/core/error.hpp>
#include <remat/model/annotation.hpp>
#include <remat/model/program.hpp>
#include <remat/model/stage_range.hpp>
#include <remat/model/uniform_chain.hpp>
#include <remat/plan/checkpoints.hpp>
#include <remat/plan/module_paths.hpp>
#include <remat/plan/sought_words.hpp>

#include <string>
#include <vector>

namespace remat {

namespace detail {

/// Throws `error` for the fault of an annotation.
[[noreturn]] inline void refuse(const program& p, const annotation_fault& fault, const std::string& pattern) {
  const std::string module = quoted_path(fault.node == core::none ? std::string() : path_of(p, fault.node));
  const auto on_stages = [&] {
    const stage_range stages = stages_of(p, fault.node);
    return module + " is on stages " + std::to_string(stages.first) + " and " + std::to_string(stages.last);
  };
  switch (fault.what) {
    case annotation_fault::none:
    case annotation_fault::unknown_path:
      break;
    case annotation_fault::no_children:
      throw error(
          "an annotated module that is no sequential has no children for a strategy, or a policy that cuts "
          "chains, to group, and " +
          module + " is no sequential; checkpoint it as one, or name a sequential or a repeat");
    case annotation_fault::second_annotation:
      throw error("a module is annotated once, and " + module + " is annotated by '" + std::string(fault.earlier) +
                  "' " + (fault.earlier == pattern ? "twice" : "and by '" + pattern + "'") +
                  "; leave one of them out, change its path, or put one checkpoint around another: "
                  "checkpoint_at(path, outer).around(inner)");
    case annotation_fault::module_on_stages:
      throw error("a checkpointed module that is no sequential must be within one stage, and " + on_stages() +
                  "; give all of it one stage, or checkpoint its parts");
    case annotation_fault::child_on_stages:
      throw error("each child of a checkpointed sequential must be within one stage, and " + on_stages() +
                  "; give all of the child one stage, or move the checkpoint into it");
  }
  refuse_path(p, pattern);
}

}  // namespace detail

/// Puts checkpoints instead of the tags and annotations of the program, unless they are these. Throws `error` for a
/// path that no module has, for a strategy on a module without children, for a second annotation of a module, for a
/// checkpoint that is not within one stage, for a policy about kinds or names that are not inside of it, and for one of
/// uniform chains on another.
inline void annotate(program& p, const checkpoints& all) {
  if (!all.replace_tags()) return;
  for (module_node& n : p.nodes) n.checkpoints.clear();
  core::list<detail::annotated_module> annotated;
  for (const checkpoint_at& wanted : all) {
    const detail::siblings inside = detail::first_level(p);
    core::list<int> modules;
    detail::each_annotated(p, 0, inside, wanted.path, [&](int n) { modules.push_back(n); });
    if (modules.empty()) detail::refuse_path(p, wanted.path);
    for (const checkpoint_setting& each : wanted.settings)
      detail::require_words(p, modules, each.policy,
                            wanted.path.empty() ? "the model" : "the checkpointed module '" + wanted.path + "'");
    const detail::annotation_fault fault =
        detail::check_annotation(p, 0, inside, wanted.path, wanted.settings, annotated);
    if (fault.what != detail::annotation_fault::none) detail::refuse(p, fault, wanted.path);
    for (const int n : modules) {
      detail::put_around(p.nodes[n], wanted.settings);
      for (const checkpoint_setting& each : wanted.settings)
        if (each.policy.needs_uniform()) detail::require_uniform_chain(p, n, each.policy);
    }
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
