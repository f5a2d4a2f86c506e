// SPDX-License-Identifier: MIT
/// Packing on a tape: what kernels pack is known when they are prepared, after the tape was planned, and its actions
/// are written into it then. The buffers of tensors stay where they are.
#pragma once

#include <remat/run/packing.hpp>

#include <algorithm>
#include <compare>
#include <cstddef>
#include <utility>
#include <vector>

namespace remat {

/// A `pack` action to be written before another one.
struct pack_action {
  int before = core::none;
  std::size_t weights = 0;  ///< which

  friend constexpr auto operator<=>(const pack_action&, const pack_action&) = default;
};

/// Where weights are packed: before each use, or before the first of those that are kept. In the order of the tape.
inline std::vector<pack_action> pack_actions(const std::vector<packed_weights>& all) {
  std::vector<pack_action> found;
  for (std::size_t i = 0; i < all.size(); ++i)
    for (const int use : all[i].uses) {
      found.push_back({use, i});
      if (all[i].is_kept) break;
    }
  std::ranges::sort(found);
  return found;
}

/// The tape with these actions.
inline tape with_pack_actions(tape t, const std::vector<packed_weights>& all, const std::vector<pack_action>& added) {
  std::vector<int> moved(t.actions.size());  // where each action is then
  core::list<action> actions;
  actions.reserve(t.actions.size() + added.size());
  auto next = added.begin();
  for (int i = 0; i < t.actions.count(); ++i) {
    for (; next != added.end() && next->before == i; ++next)
      actions.push_back({action_kind::pack, all[next->weights].operation});
    moved[static_cast<std::size_t>(i)] = actions.count();
    actions.push_back(t.actions[i]);
  }
  for (buffer& b : t.buffers) {
    b.first = moved[static_cast<std::size_t>(b.first)];
    b.last = moved[static_cast<std::size_t>(b.last)];
  }
  // What is packed before the first action of a section belongs to it.
  for (section& s : t.sections) {
    s.first = s.first == 0 ? 0 : moved[static_cast<std::size_t>(s.first - 1)] + 1;
    s.last = s.last == 0 ? 0 : moved[static_cast<std::size_t>(s.last - 1)] + 1;
  }
  t.actions = std::move(actions);
  return t;
}

}  // namespace remat
