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
#include <remat/core/near_name.hpp>
#include <remat/model/program.hpp>
#include <remat/model/rules.hpp>

#include <cstddef>
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

/// The node at a path. Throws `error` where there is none, with the names that there are where the path leaves the
/// model.
inline int require_node(const program& p, const std::string& path) {
  const int n = find_node(p, path);
  if (n != none) return n;
  int deepest = 0;
  std::string there, rest = path;
  for (std::size_t dot = path.find('.'); dot != std::string::npos; dot = path.find('.', dot + 1))
    if (const int inner = find_node(p, path.substr(0, dot)); inner != none) {
      deepest = inner;
      there = path.substr(0, dot);
      rest = path.substr(dot + 1);
    }
  std::vector<std::string> known;
  for (int k = deepest + 1; k < p.nodes[deepest].end; k = p.nodes[k].end) known.push_back(path_of(p, k));
  if (deepest == 0)  // a loss is next to the model
    for (int k = p.nodes[0].end; k < p.nodes.count(); k = p.nodes[k].end) known.push_back(path_of(p, k));
  const std::string wanted = (there.empty() ? "" : there + ".") + rest.substr(0, rest.find('.'));
  const std::string nearest = nearest_name(wanted, known);
  throw error("no module has the path '" + path + "'; " +
              (known.empty()   ? "'" + there + "' has no modules inside"
               : there.empty() ? "the whole model is '', its first level is " + quoted_names(known)
                               : "'" + there + "' has " + quoted_names(known)) +
              (nearest.empty() || nearest == wanted ? "" : "; the nearest is '" + nearest + "'"));
}

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
