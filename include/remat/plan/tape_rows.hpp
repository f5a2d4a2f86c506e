// SPDX-License-Identifier: MIT
/// A tape in words: what each action does, and how much memory is alive meanwhile.
#pragma once

#include <remat/plan/placement.hpp>
#include <remat/plan/plan_layout.hpp>

#include <cstddef>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

namespace remat {

struct tape_row {
  std::string_view section;    ///< "forward", "backward"
  std::string_view kind;       ///< what the action does: "recompute" (plan/tape.hpp has them all)
  std::string module;          ///< the path and the kind of its module; empty: it is of none
  std::size_t live_bytes = 0;  ///< of all buffers that are alive then
};

/// The name of an action's kind.
constexpr std::string_view name_of(action_kind kind) {
  constexpr std::string_view names[] = {"load",
                                        "pack",
                                        "receive",
                                        "send",
                                        "forward",
                                        "update_state",
                                        "store",
                                        "restore",
                                        "begin_write",
                                        "finish_write",
                                        "begin_read",
                                        "finish_read",
                                        "recompute",
                                        "seed",
                                        "load_gradient",
                                        "differentiate",
                                        "copy_gradient",
                                        "add_gradient",
                                        "backward_parameters",
                                        "backward_input",
                                        "backward",
                                        "clear_gradient",
                                        "sum_places",
                                        "update",
                                        "fetch"};
  static_assert(std::size(names) == action_kinds);
  return names[static_cast<std::size_t>(kind)];
}

/// One row for each action of a plan of the fused program.
inline std::vector<tape_row> tape_rows(const program& p, const plan& made) {
  std::vector<std::size_t> live(made.steps.actions.size() + 1);
  for (int r = 0; r < made.regions.count(); ++r) {
    const core::list<std::size_t> here = detail::live_bytes(made.steps, r, alignment);
    for (std::size_t now = 0; now < live.size(); ++now) live[now] += here[now];
  }
  std::vector<tape_row> rows;
  for (int now = 0; now < made.steps.actions.count(); ++now) {
    const action& a = made.steps.actions[now];
    tape_row row{
        made.steps.sections[made.steps.section_of(now)].name, name_of(a.kind), {}, live[static_cast<std::size_t>(now)]};
    if (a.operation != core::none) row.module = shown_operation(p, p.operations[a.operation]);
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace remat
