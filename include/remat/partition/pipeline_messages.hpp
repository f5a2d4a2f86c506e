// SPDX-License-Identifier: MIT
/// The messages of a program in stages: each port that sends, once for each stage that it sends to.
#pragma once

#include <remat/plan/ports.hpp>
#include <remat/schedule/stage_message.hpp>

#include <algorithm>

namespace remat {

struct pipeline_message {
  int tensor = core::none;
  bool is_gradient = false;
  int from = 0, to = 0;  ///< stages
};

/// Adds what a stage sends. The stages come in ascending order.
constexpr void add_messages(core::list<pipeline_message>& found, int stage, const core::list<stage_port>& ports) {
  for (const stage_port& each : ports)
    for (int to : each.to) found.push_back({each.tensor, each.is_gradient, stage, to});
}

/// In an order that all ranks find alike: their places in it are the tags of the messages.
constexpr core::list<pipeline_message> messages_of(const program& p, int stages, bool is_training) {
  core::list<pipeline_message> found;
  for (int s = 0; s < stages; ++s) add_messages(found, s, ports_of(p, s, is_training));
  return found;
}

/// The same for those who care for stages alone, such as the clock of a schedule.
constexpr core::list<stage_message> between_stages(const core::list<pipeline_message>& messages) {
  core::list<stage_message> found;
  for (const pipeline_message& m : messages)
    found.push_back({m.from, m.to, m.is_gradient ? pass_kind::backward_input : pass_kind::forward});
  return found;
}

/// The number of a message, or `none`: they are in ascending order of the stages that send them.
constexpr int find_message(const core::list<pipeline_message>& all, const stage_port& at, int from, int to) {
  const auto first = std::ranges::lower_bound(all, from, {}, &pipeline_message::from);
  for (int i = static_cast<int>(first - all.begin()); i < all.count() && all[i].from == from; ++i)
    if (all[i].tensor == at.tensor && all[i].is_gradient == at.is_gradient && all[i].to == to) return i;
  return core::none;
}

}  // namespace remat
