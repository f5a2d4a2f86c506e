// SPDX-License-Identifier: MIT
/// Checkpoints as values: by path, when the model is built, in place of the tags in its type.
///
///     remat::model<net, input, loss> model{{.checkpoints = {{
///         remat::checkpoint_at("fc1"),                                     // one module
///         remat::checkpoint_at("blocks", remat::every<2>{}),              // under a policy
///         remat::checkpoint_at("features", remat::strategy::each{}),      // a sequential, child by child
///         remat::checkpoint_at("h", remat::strategy::at({"h.3", "h.7"})),  // a segment begins with each of these
///         remat::checkpoint_at("", remat::strategy::group<3>{})}}}};      // the whole model, in threes
///
/// One compiled network so runs under every policy and strategy. An empty list means no checkpoint at all; of several
/// for one path, the first is the outermost.
#pragma once

#include <remat/core/error.hpp>
#include <remat/model/program.hpp>
#include <remat/model/rules.hpp>
#include <remat/plan/module_paths.hpp>
#include <remat/plan/segment_boundaries.hpp>

#include <cstddef>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace remat {

namespace detail {

/// Throws `error` for a chain policy whose segments would be empty; of one without members, it does not compile.
template <Policy P>
policy_setting checked_policy(P policy) {
  static_assert(rules::where<(std::is_empty_v<P> && ChainPolicy<P>), rules::segment_has_links<P>>);
  policy_setting made(std::move(policy));
  if (made.links(1) < 1) throw error("a segment holds at least one child; give the policy links of 1 or more");
  return made;
}
template <Strategy S>
strategy::setting checked_strategy(S groups) {
  static_assert(rules::where<std::is_empty_v<S>, rules::group_has_members<S>>);
  strategy::setting made(std::move(groups));
  if (made.children() < 1) throw error("a group holds at least one child; give the strategy 1 or more");
  return made;
}

}  // namespace detail

struct checkpoint_at {
  std::string path;  ///< as in parameter names; empty: the whole model
  checkpoint_setting setting;

  /// Keeps both objects.
  template <Strategy S = strategy::contiguous, Policy P = recompute_all>
  explicit checkpoint_at(std::string module, S groups = {}, P policy = {})
      : path(std::move(module)),
        setting{detail::checked_policy(std::move(policy)), detail::checked_strategy(std::move(groups))} {}
  /// What `checkpoint<M, P>` says in the type.
  template <Policy P>
  checkpoint_at(std::string module, P policy)
      : checkpoint_at(std::move(module), strategy::contiguous{}, std::move(policy)) {}
};

namespace detail {

inline void require_one_stage(const program& p, int n) {
  const node& here = p.nodes[n];
  for (int i = here.first; i < here.last; ++i)
    if (p.operations[i].stage != p.operations[here.first].stage)
      throw error("the checkpointed module '" + path_of(p, n) + "' is on stages " +
                  std::to_string(p.operations[here.first].stage) + " and " + std::to_string(p.operations[i].stage) +
                  "; a checkpoint must be within one stage: checkpoint its parts");
}

}  // namespace detail

/// Puts `checkpoints` in place of those that the program has. Throws `error` for a path that the model does not have,
/// for a strategy on a module without children, and for a checkpoint that is not within one stage.
inline void annotate(program& p, const std::vector<checkpoint_at>& checkpoints) {
  for (node& n : p.nodes) n.checkpoints.clear();
  for (const checkpoint_at& wanted : checkpoints) {
    const int n = detail::require_node(p, wanted.path);
    node& here = p.nodes[n];
    if (!here.is_sequential && wanted.setting.cuts())
      throw error("the module '" + wanted.path +
                  "' is no sequential, so it has no children for a strategy to group; checkpoint it as one");
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
    const node& here = p.nodes[detail::require_node(p, path)];
    for (int i = here.first; i < here.last; ++i) p.operations[i].frozen = true;
  }
  spread_frozen(p);
}

/// Lets every module at these paths that has running statistics (a batch norm, or what holds some) use and keep them in
/// training. Throws `error` for a path that the model does not have, or where nothing has such.
inline void keep_states(program& p, const std::vector<std::string>& paths) {
  for (const std::string& path : paths) {
    const node& here = p.nodes[detail::require_node(p, path)];
    bool has_some = false;
    for (int i = here.first; i < here.last; ++i)
      if (p.operations[i].kernels_on_kept_states != nullptr) p.operations[i].keeps_states = has_some = true;
    if (!has_some)
      throw error("the module '" + path +
                  "' has no running statistics to train on; name a batch_norm2d, or a module that holds one");
  }
}

}  // namespace remat
