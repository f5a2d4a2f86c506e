// SPDX-License-Identifier: MIT
/// Checkpoints as values: by path, when the model is built, in place of the tags in its type.
///
///     remat::model<net, input, loss> model{{.checkpoints = {{
///         remat::checkpoint_at("fc1"),                                     // one module
///         remat::checkpoint_at("blocks", remat::every<2>{}),              // under a policy
///         remat::checkpoint_at("features", remat::strategy::each{}),      // a sequential, child by child
///         remat::checkpoint_at("", remat::strategy::group<3>{})}}}};      // the whole model, in threes
///
/// One compiled network so runs under every policy and strategy. An empty list means no checkpoint at all; of several
/// for one path, the first is the outermost.
#pragma once

#include <remat/core/error.hpp>
#include <remat/model/program.hpp>
#include <remat/model/rules.hpp>

#include <string>
#include <utility>
#include <vector>

namespace remat {

struct checkpoint_at {
  std::string path;  ///< as in parameter names; empty: the whole model
  checkpoint_setting setting;

  template <Strategy S = strategy::contiguous, Policy P = recompute_all>
  explicit checkpoint_at(std::string module, S = {}, P = {}) : path(std::move(module)), setting(setting_of<P, S>) {
    static_assert(rules::group_has_members<S>::holds);
    static_assert(rules::where<ChainPolicy<P>, rules::segment_has_links<P>>);
  }
  /// What `checkpoint<M, P>` says in the type.
  template <Policy P>
  checkpoint_at(std::string module, P policy) : checkpoint_at(std::move(module), strategy::contiguous{}, policy) {}
};

namespace detail {

inline int require_node(const program& p, const std::string& path) {
  const int n = find_node(p, path);
  if (n != none) return n;
  std::string known;
  for (int k = 0; k < p.nodes.count(); k = k == 0 ? 1 : p.nodes[k].end)
    if (k > 0) known += (known.empty() ? "'" : ", '") + path_of(p, k) + "'";
  throw error("no module has the path '" + path + "'; the whole model is '', its first level is " + known);
}

inline void require_one_stage(const program& p, int n) {
  const node& here = p.nodes[n];
  for (int i = here.first; i < here.last; ++i)
    if (p.operations[i].stage != p.operations[here.first].stage)
      throw error("the checkpointed module '" + path_of(p, n) + "' lies on stages " +
                  std::to_string(p.operations[here.first].stage) + " and " + std::to_string(p.operations[i].stage) +
                  "; a checkpoint lies within one stage: checkpoint its parts");
}

}  // namespace detail

/// Puts `checkpoints` in place of those that the program has. Throws `error` for a path that the model does not have,
/// for a strategy on a module without children, and for a checkpoint that does not lie within one stage.
inline void annotate(program& p, const std::vector<checkpoint_at>& checkpoints) {
  for (node& n : p.nodes) n.checkpoints.size = 0;
  for (const checkpoint_at& wanted : checkpoints) {
    const int n = detail::require_node(p, wanted.path);
    node& here = p.nodes[n];
    if (!here.is_sequential && (wanted.setting.children != strategy::unlimited || wanted.setting.cuts_chains))
      throw error("the module '" + wanted.path +
                  "' is no sequential, so it has no children for a strategy to group; checkpoint it as one");
    if (here.checkpoints.size == 4) throw error("the module '" + wanted.path + "' is given more than four checkpoints");
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

}  // namespace remat
