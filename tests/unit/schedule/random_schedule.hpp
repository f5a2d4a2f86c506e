// SPDX-License-Identifier: MIT
/// Random schedules and messages, each of which a pipeline can run.
#pragma once

#include <remat/schedule/schedule.hpp>
#include <remat/schedule/stage_message.hpp>

#include "property.hpp"

#include <cstddef>

/// A setting of the library's with random numbers.
inline remat::schedule_table random_setting_table(bool is_training) {
  const int ranks = draw(1, 9), over = draw(1, 5);
  if (!is_training) return remat::schedule::forward_only.over(over).make(ranks, draw(1, 20));
  switch (draw(0, 4)) {
    case 0:
      return remat::schedule::gpipe.make(ranks, draw(1, 20));
    case 1:
      return remat::schedule::one_f_one_b.make(ranks, draw(1, 20));
    case 2:
      return remat::schedule::zero_bubble.make(ranks, draw(1, 20));
    default:
      return remat::schedule::interleaved<1>.over(over).make(ranks, ranks * draw(1, 4));
  }
}

/// Any order that keeps to the rules: stages are on random ranks, and at each turn a random stage does the next of its
/// tasks that has its data. Backward passes are in one task or in two.
inline remat::schedule_table random_order_table() {
  const int ranks = draw(1, 6), stages = ranks + draw(0, 5);
  remat::schedule_table table{stages, draw(1, 8), {}};
  table.rows = remat::core::list<remat::core::list<remat::pipeline_task>>(static_cast<std::size_t>(ranks));
  const auto count = static_cast<std::size_t>(stages);
  remat::core::list<int> rank_of, forward(count), inputs(count), parameters(count);
  for (int s = 0; s < stages; ++s) rank_of.push_back(s < ranks ? s : draw(0, ranks));
  while (true) {
    remat::core::list<remat::pipeline_task> possible;
    for (int s = 0; s < stages; ++s) {
      const int f = forward[s], b = inputs[s], w = parameters[s];
      if (f < table.microbatches && (s == 0 || forward[s - 1] > f))
        possible.push_back({remat::task_kind::forward, s, f});
      if (w < b) possible.push_back({remat::task_kind::backward_parameters, s, w});
      if (b == f || (s < stages - 1 && inputs[s + 1] <= b)) continue;
      possible.push_back({remat::task_kind::backward_input, s, b});
      if (w == b) possible.push_back({remat::task_kind::backward, s, b});
    }
    if (possible.empty()) return table;
    const remat::pipeline_task t = possible[draw(0, possible.count())];
    table.rows[rank_of[t.stage]].push_back(t);
    remat::each_pass(t.kind, [&](remat::pass_kind pass) {
      ++(pass == remat::pass_kind::forward          ? forward
         : pass == remat::pass_kind::backward_input ? inputs
                                                    : parameters)[t.stage];
    });
  }
}

/// Each stage to the next, and some skips with their gradients.
inline remat::core::list<remat::stage_message> random_messages(int stages, bool is_training) {
  remat::core::list<remat::stage_message> messages = remat::neighbour_messages(stages, is_training);
  for (int skips = stages < 3 ? 0 : draw(0, 4); skips > 0; --skips) {
    const int from = draw(0, stages - 2), to = draw(from + 2, stages);
    messages.push_back({from, to, remat::pass_kind::forward});
    if (is_training) messages.push_back({to, from, remat::pass_kind::backward_input});
  }
  return messages;
}
