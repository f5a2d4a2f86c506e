// SPDX-License-Identifier: MIT
/// All persistent schedules of a short spine: every way to cut it into segments, which nest (spine_solver.hpp).
#pragma once

#include <remat/plan/spine_solver.hpp>

#include <functional>
#include <vector>

namespace remat::detail {

class spine_trees {
 public:
  spine_trees(const program& p, const spine& s) : spine_(s), needs_(p, s) {}

  /// Each of them, its segments in preorder.
  std::vector<core::list<spine_segment>> all() {
    std::vector<core::list<spine_segment>> found;
    add(0, {spine_.count, false}, [&] { found.push_back(made_); });
    return found;
  }

 private:
  void add(int s, spine_end t, const std::function<void()>& then) {
    if (s == t.at) return then();
    add(s + 1, t, then);
    const int group = spine_.group[s];
    for (int end = s + 1; end < t.at && group != core::none && spine_.group[end - 1] == group; ++end)
      for (const bool stays : {false, true}) {
        const spine_end u{end, stays};
        if ((stays && needs_.boundaries(u).empty()) || !needs_.may_end(s, u, t)) continue;
        const int before = made_.count();
        made_.push_back({s, end});
        for (const spine_needs::boundary& each : needs_.boundaries(u))
          if (each.producer >= s) made_.back().staying.push_back(each.tensor);
        add(s, u, [&] { add(end, t, then); });
        while (made_.count() > before) made_.pop_back();
      }
  }

  const spine& spine_;
  spine_needs needs_;
  core::list<spine_segment> made_;
};

}  // namespace remat::detail
