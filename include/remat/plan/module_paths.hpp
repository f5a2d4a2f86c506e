// SPDX-License-Identifier: MIT
/// Modules by path, as users name them when a model is built.
#pragma once

#include <remat/core/error.hpp>
#include <remat/core/near_name.hpp>
#include <remat/model/program.hpp>

#include <cstddef>
#include <string>
#include <vector>

namespace remat::detail {

/// The node at a path. Throws `error` where there is none, with the names that there are where the path leaves the
/// model.
inline int require_node(const program& p, const std::string& path) {
  const int n = find_node(p, path);
  if (n != core::none) return n;
  int deepest = 0;
  std::string there, rest = path;
  for (std::size_t dot = path.find('.'); dot != std::string::npos; dot = path.find('.', dot + 1))
    if (const int inner = find_node(p, path.substr(0, dot)); inner != core::none) {
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

}  // namespace remat::detail
