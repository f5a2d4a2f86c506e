// SPDX-License-Identifier: MIT
/// A message between two stages: what a stage's forward pass hands to a later stage, or the gradient that comes back.
///
/// A pipeline's messages are its program's edges across cuts: each stage to the next, and long skips from a stage to
/// any later one. Each is sent once for every micro-batch. Between two stages of one rank nothing is sent.
#pragma once

#include <remat/core/error.hpp>
#include <remat/dist/schedule_table.hpp>

#include <string>

namespace remat {

struct stage_message {
  int from = 0, to = 0;
  task_kind kind = task_kind::forward;  ///< forward: from < to; backward, a gradient: from > to

  friend constexpr bool operator==(const stage_message&, const stage_message&) = default;
};

/// Each stage to the next, and in training each stage's gradient to the one before.
constexpr list<stage_message> neighbour_messages(int stages, bool is_training) {
  list<stage_message> messages;
  for (int s = 0; s + 1 < stages; ++s) messages.push_back({s, s + 1, task_kind::forward});
  for (int s = stages - 1; s > 0 && is_training; --s) messages.push_back({s, s - 1, task_kind::backward});
  return messages;
}

inline std::string message_text(const stage_message& m) {
  return (m.kind == task_kind::forward ? "message of stage " : "gradient of stage ") + std::to_string(m.from) +
         " to stage " + std::to_string(m.to);
}

namespace detail {

[[noreturn]] inline void refuse_message(const stage_message& m, int stages) {
  throw error("schedule: there is no " + message_text(m) + "; the stages are 0 to " + std::to_string(stages - 1) +
              ", a forward message goes to a later stage and a gradient to an earlier one");
}

/// Throws `error` where a message cannot be.
constexpr void check_message(const stage_message& m, int stages) {
  const bool is_forward = m.kind == task_kind::forward;
  const int low = is_forward ? m.from : m.to, high = is_forward ? m.to : m.from;
  if (low < 0 || high >= stages || low >= high) refuse_message(m, stages);
}

}  // namespace detail

}  // namespace remat
