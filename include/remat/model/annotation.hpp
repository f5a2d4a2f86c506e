// SPDX-License-Identifier: MIT
/// Annotations: checkpoints that are put around modules from outside, by the pattern of their path. Tags
/// (`set_activation_checkpointing`) and values (`checkpoint_at`) are put around the nodes of a program by the same
/// functions, after it was emitted, and under the same laws.
///
/// | law                                                                                  | `annotation_fault`    |
/// |--------------------------------------------------------------------------------------|-----------------------|
/// | a pattern matches one module at least                                                | `unknown_path`        |
/// | a strategy, or a policy that cuts chains, is for a sequential or a repeat            | `no_children`         |
/// | a module is annotated once                                                           | `second_annotation`   |
/// | a checkpointed module that is no sequential is within one stage, but for a budget    | `module_on_stages`    |
/// | each child of a checkpointed sequential is within one stage, but for a budget        | `child_on_stages`     |
/// | what a policy looks for is inside one of the modules at least                        | `has_word` says       |
#pragma once

#include <remat/core/policy_search.hpp>
#include <remat/model/module_pattern.hpp>
#include <remat/model/program.hpp>
#include <remat/model/stage_range.hpp>

#include <span>
#include <string_view>

namespace remat::detail {

/// A module that has an annotation, and the pattern that said so.
struct annotated_module {
  int node = 0;
  std::string_view pattern = {};
};

struct annotation_fault {
  enum kind { none, unknown_path, no_children, second_annotation, module_on_stages, child_on_stages };
  kind what = none;
  int node = core::none;
  std::string_view earlier = {};  ///< the other annotation's pattern
};

/// Calls `visit` for each module among these that a pattern matches. The empty pattern matches the module that
/// holds them, `top`, which may be `none`.
template <class Visit>
constexpr void each_annotated(const program& p, int top, const siblings& inside, std::string_view pattern,
                              const Visit& visit) {
  if (!pattern.empty())
    each_of_pattern(p, inside, pattern, visit);
  else if (top != core::none)
    visit(top);
}

/// Whether node n, or what is inside, is of the kind or name that a policy looks for. The program is one before fusion.
constexpr bool has_word(const program& p, int n, const sought_word& word) {
  for (int k = n; k < p.nodes[n].end; ++k) {
    const module_node& here = p.nodes[k];
    if (word.is_kind ? here.end == k + 1 && here.kind == word.text : here.name == word.text) return true;
  }
  return false;
}

/// Puts checkpoints, the outermost first, around a module, inside of the `outer` outermost that it has.
constexpr void put_around(module_node& n, std::span<const checkpoint_setting> settings, int outer = 0) {
  core::list<checkpoint_setting> all;
  all.reserve(n.checkpoints.size() + settings.size());
  for (int i = 0; i < outer; ++i) all.push_back(n.checkpoints[i]);
  for (const checkpoint_setting& each : settings)
    all.push_back(n.is_sequential ? each : checkpoint_setting{each.policy, {}, each.storage});
  for (int i = outer; i < n.checkpoints.count(); ++i) all.push_back(n.checkpoints[i]);
  n.checkpoints = static_cast<core::list<checkpoint_setting>&&>(all);
}

/// What is wrong with these checkpoints around node n, where others have been annotated before.
constexpr annotation_fault fault_of_module(const program& p, int n, std::string_view pattern,
                                           std::span<const checkpoint_setting> settings,
                                           const core::list<annotated_module>& before) {
  const module_node& here = p.nodes[n];
  for (const checkpoint_setting& each : settings)
    if (!here.is_sequential && each.needs_children()) return {annotation_fault::no_children, n, {}};
  for (const annotated_module& other : before)
    if (other.node == n && meet_in(p, n, other.pattern, pattern))
      return {annotation_fault::second_annotation, n, other.pattern};
  if (settings.empty() || !settings[0].is_within_one_stage()) return {};
  if (!here.is_sequential && !stages_of(p, n).is_one()) return {annotation_fault::module_on_stages, n, {}};
  for (int c = n + 1; here.is_sequential && c < here.end; c = p.nodes[c].end)
    if (!stages_of(p, c).is_one()) return {annotation_fault::child_on_stages, c, {}};
  return {};
}

/// What is wrong with an annotation: the first fault. Where nothing is, its modules are among `before` from now on.
constexpr annotation_fault check_annotation(const program& p, int top, const siblings& inside, std::string_view pattern,
                                            std::span<const checkpoint_setting> settings,
                                            core::list<annotated_module>& before) {
  annotation_fault first;
  core::list<annotated_module> found;
  each_annotated(p, top, inside, pattern, [&](int n) {
    found.push_back({n, pattern});
    if (first.what == annotation_fault::none) first = fault_of_module(p, n, pattern, settings, before);
  });
  if (found.empty()) return {annotation_fault::unknown_path, core::none, {}};
  for (const annotated_module& each : found) before.push_back(each);
  return first;
}

}  // namespace remat::detail
