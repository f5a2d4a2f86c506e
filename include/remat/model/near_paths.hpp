// SPDX-License-Identifier: MIT
/// Where a path, or a pattern of paths, leaves a model, and what there is instead.
#pragma once

#include <remat/core/near_name.hpp>
#include <remat/core/text.hpp>
#include <remat/model/module_pattern.hpp>
#include <remat/model/program.hpp>

#include <cstddef>
#include <string_view>

namespace remat::detail {

constexpr void add_part(core::text& path, std::string_view part) {
  if (!path.view().empty()) path += ".";
  path += part;
}

/// What a module is called among its siblings; of those that it represents, the one at a distance from it.
constexpr core::text part_of(const module_node& n, int distance = 0) {
  core::text part(n.name);
  if (n.name.empty()) part += n.position + distance;
  return part;
}

constexpr core::text text_of_path(const program& p, int n) {
  if (n <= 0) return {};
  core::text path = text_of_path(p, p.nodes[n].parent);
  add_part(path, part_of(p.nodes[n]).view());
  return path;
}

constexpr bool has_any(const program& p, const siblings& some, std::string_view pattern) {
  bool found = false;
  each_of_pattern(p, some, pattern, [&](int) { found = true; });
  return found;
}

/// A path that no module has.
struct unknown_path {
  std::string_view there = {};        ///< the longest beginning of it that modules have
  std::string_view missing = {};      ///< the part that none of them has
  core::list<core::text> known = {};  ///< the paths of the modules inside of `there`
  core::text nearest = {};            ///< a path that may have been meant, or nothing
};

namespace near_paths {

constexpr bool is_among(const core::list<core::text>& some, const core::text& wanted) {
  for (const core::text& each : some)
    if (each.view() == wanted.view()) return true;
  return false;
}

/// Adds what the modules of these are called: `names` within them, `known` as paths.
constexpr void add_names(const program& p, const siblings& some, std::string_view there, core::list<core::text>& names,
                         core::list<core::text>& known) {
  for (int n = some.begin; n < some.end; n = p.nodes[n].end) {
    const core::text first = part_of(p.nodes[n]), last = part_of(p.nodes[n], p.nodes[n].alike);
    if (is_among(names, first)) continue;
    core::text path(there);
    add_part(path, first.view());
    if (p.nodes[n].alike > 0) {
      core::text other(there);
      add_part(other, last.view());
      path += " to ";
      path += other.view();
      names.push_back(last);
    }
    names.push_back(first);
    known.push_back(path);
  }
}

/// The path of a module inside of which there is `path`, and that; or nothing.
constexpr core::text longer_path(const program& p, const siblings& some, std::string_view path) {
  for (int n = some.begin; n < some.end; ++n)
    if (p.nodes[n].end > n + 1 && has_any(p, children_of_node(p, n), path)) {
      core::text longer = text_of_path(p, n);
      add_part(longer, path);
      return longer;
    }
  return {};
}

/// Who forgot the beginning of a path has meant the longer one; who mistyped a part of it, one with a name like it.
constexpr core::text nearest_path(const program& p, const siblings& top, std::string_view path, const unknown_path& u,
                                  const core::list<core::text>& names) {
  core::text near;
  if (const int nearest = nearest_of(u.missing, names); nearest != core::none) {
    near += u.there;
    add_part(near, names[nearest].view());
    core::text whole = near;
    whole += path.substr((u.there.empty() ? 0 : u.there.size() + 1) + u.missing.size());
    if (has_any(p, top, whole.view())) return whole;
  }
  const core::text longer = longer_path(p, top, path);
  return longer.view().empty() ? near : longer;
}

}  // namespace near_paths

/// What there is where `path`, which no module among these or inside of them has, leaves the model.
constexpr unknown_path leave_model(const program& p, const siblings& top, std::string_view path) {
  unknown_path u;
  for (std::size_t dot = path.find('.'); dot != std::string_view::npos; dot = path.find('.', dot + 1))
    if (has_any(p, top, path.substr(0, dot))) u.there = path.substr(0, dot);
  u.missing = first_part(path.substr(u.there.empty() ? 0 : u.there.size() + 1));
  core::list<core::text> names;
  if (u.there.empty())
    near_paths::add_names(p, top, u.there, names, u.known);
  else
    each_of_pattern(p, top, u.there,
                    [&](int n) { near_paths::add_names(p, children_of_node(p, n), u.there, names, u.known); });
  u.nearest = near_paths::nearest_path(p, top, path, u, names);
  return u;
}

}  // namespace remat::detail
