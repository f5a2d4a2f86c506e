// SPDX-License-Identifier: MIT
/// Modules by path, as users name them when a model is built.
#pragma once

#include <remat/core/error.hpp>
#include <remat/core/near_name.hpp>
#include <remat/core/shown_text.hpp>
#include <remat/model/near_paths.hpp>
#include <remat/model/program.hpp>

#include <string>

namespace remat::detail {

/// Throws `error` for a path, or a pattern of paths, that no module has, with the names that there are where it leaves
/// the model.
[[noreturn]] inline void refuse_path(const program& p, const std::string& path) {
  const unknown_path u = leave_model(p, first_level(p), path);
  const std::string there = shown_text(std::string(u.there)), nearest(u.nearest.view());
  throw error("no module has the path '" + shown_text(path) + "'; " +
              (u.known.empty()   ? "'" + there + "' has no modules inside"
               : u.there.empty() ? "the whole model is '', its first level is " + quoted_names(u.known)
                                 : "'" + there + "' has " + quoted_names(u.known)) +
              (nearest.empty() ? "" : "; the nearest is '" + nearest + "'"));
}

/// The node at a path. Throws `error` where there is none.
inline int require_node(const program& p, const std::string& path) {
  const int n = find_node(p, path);
  if (n == core::none) refuse_path(p, path);
  return n;
}

}  // namespace remat::detail
