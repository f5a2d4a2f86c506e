// SPDX-License-Identifier: MIT
/// What checkpoints that are no budget's do next to budgets and around them, as a chain solver counts it.
///
/// They compute their segments again whatever budgets choose, and all that they hold then counts. Next to some choices
/// a segment is left plain, and its recomputation goes on piece by piece (segment_plans.hpp, tape_writer.hpp), which a
/// solver does not see. So it is asked for several views of them, and each solution is a plan that is looked at as it
/// is (budget_search.hpp).
#pragma once

#include <remat/plan/checkpoint_search.hpp>
#include <remat/plan/plan_layout.hpp>
#include <remat/plan/segment.hpp>
#include <remat/plan/slice.hpp>
#include <remat/plan/spine.hpp>

namespace remat::detail {

/// How a solver sees other checkpoints: what they drop takes no memory, and a budget inside of one is a problem of its
/// own; or all that they hold does, and of their segments those are computed again that are listed.
struct view_of_others {
  bool take_memory = false;
  core::list<segment> dropped = {};
};

/// Whether a slice has checkpoints that are no budget's, in addition to those inside of budgets.
constexpr bool has_other_checkpoints(const program& p, const slice& covered) {
  segment_search search{p};
  search.run(covered.stage);
  for (int k = 0; k < search.found.count(); ++k)
    if (!is_in_budget(search.found, k)) return true;
  return false;
}

/// Those of their segments that drop something in a plan. One that ends with the slice is left out: its backward pass
/// comes first anyway.
constexpr core::list<segment> dropped_by_others(const plan& made) {
  core::list<segment> found;
  for (int k = 0; k < made.segments.count(); ++k) {
    const segment& each = made.segments[k];
    if (each.has_budget || made.segment_plans[k].is_plain || each.last == made.covered.last) continue;
    bool drops = false;
    for (int i = each.first; i < each.last; ++i) drops = drops || !each.keeps(i);
    if (drops) found.push_back(each);
  }
  return found;
}

/// Tells a spine of them. What their policies keep stays.
constexpr void add_fixed(spine& s, const program& p, const core::list<segment>& segments) {
  for (const segment& each : segments) {
    s.fixed.push_back({each.first - s.first, each.last - s.first});
    for (int i = each.first; i < each.last; ++i)
      if (each.keeps(i))
        for (const auto* some : {&p.operations[i].outputs, &p.operations[i].saved})
          for (int t : *some) s.stays_until[t] = p.operations.count();
  }
}

}  // namespace remat::detail
