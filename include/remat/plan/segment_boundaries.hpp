// SPDX-License-Identifier: MIT
/// Where a strategy that names places (`strategy::at`) lets segments begin.
#pragma once

#include <remat/core/error.hpp>
#include <remat/core/list.hpp>
#include <remat/model/program.hpp>
#include <remat/plan/module_paths.hpp>

#include <string>
#include <string_view>

namespace remat::detail {

/// The operations with which segments begin, in addition to the first one of the sequential.
constexpr core::list<int> boundaries_of(const program& p, const strategy::setting& how) {
  core::list<int> firsts;
  for (const std::string_view path : how.paths()) {
    const int module = find_node(p, path);
    if (module == core::none) require_node(p, std::string(path));
    firsts.push_back(p.nodes[module].first);
  }
  return firsts;
}

/// Whether a boundary is inside of a sequential.
constexpr bool is_cut(const module_node& here, const core::list<int>& boundaries) {
  if (!here.is_sequential) return false;
  for (int each : boundaries)
    if (here.first < each && each < here.last) return true;
  return false;
}

/// Throws `error` unless the module is after the start of the sequential n, and only sequentials are around it.
inline void require_boundary(const program& p, int n, int module, const std::string& path) {
  const std::string name = quoted_path(p, n);
  if (module <= n || module >= p.nodes[n].end)
    throw error("a segment cannot begin with '" + path + "', which is not inside " + name +
                ", whose checkpoint asks for it; name modules inside it");
  if (p.nodes[module].first == p.nodes[n].first)
    throw error("the boundary '" + path + "' is the start of " + name +
                ", where its first segment begins; name the modules with which the segments after it begin");
  for (int around = p.nodes[module].parent; around != n; around = p.nodes[around].parent)
    if (!p.nodes[around].is_sequential && p.nodes[around].first < p.nodes[module].first)
      throw error("a segment cannot begin with '" + path + "', which is inside '" + path_of(p, around) +
                  "', and that is no sequential; name '" + path_of(p, around) + "' or a module after it");
}

/// Throws `error` unless the places that a strategy names are in the sequential n and in the program's order.
inline void require_boundaries(const program& p, int n, const strategy::setting& how) {
  std::string before;
  int last = core::none;
  for (const std::string_view each : how.paths()) {
    const std::string path(each);
    const int module = require_node(p, path), first = p.nodes[module].first;
    require_boundary(p, n, module, path);
    if (last != core::none && first <= last)
      throw error("the boundary '" + path + "' is not after '" + before +
                  "'; name modules in the program's order, each once");
    before = path;
    last = first;
  }
}

}  // namespace remat::detail

namespace remat {

/// Throws `error` where a checkpoint of the program, which is not fused yet, lets a segment begin where none can.
inline void require_boundaries(const program& p) {
  for (int n = 0; n < p.nodes.count(); ++n)
    for (const checkpoint_setting& each : p.nodes[n].checkpoints) detail::require_boundaries(p, n, each.strategy);
}

}  // namespace remat
