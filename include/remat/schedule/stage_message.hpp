// SPDX-License-Identifier: MIT
/// A message between two stages: what a stage's forward pass hands to a later stage, or the gradient that comes back.
///
/// A pipeline's messages are its program's edges across cuts: each stage to the next, and long skips from a stage to
/// any later one. Each is sent once for every micro-batch. Between two stages of one rank nothing is sent.
#pragma once

#include <remat/core/error.hpp>
#include <remat/schedule/schedule_table.hpp>

#include <string>

namespace remat {

struct stage_message {
  int from = 0, to = 0;
  pass_kind made_by = pass_kind::forward;  ///< forward: from < to; backward_input, a gradient: from > to

  friend constexpr bool operator==(const stage_message&, const stage_message&) = default;
};

/// Each stage to the next, and in training each stage's gradient to the one before.
constexpr core::list<stage_message> neighbour_messages(int stages, bool is_training) {
  core::list<stage_message> messages;
  for (int s = 0; s + 1 < stages; ++s) messages.push_back({s, s + 1, pass_kind::forward});
  for (int s = stages - 1; s > 0 && is_training; --s) messages.push_back({s, s - 1, pass_kind::backward_input});
  return messages;
}

inline std::string message_text(const stage_message& m) {
  return (rules_of(m.made_by).awaits < 0 ? "message of stage " : "gradient of stage ") + std::to_string(m.from) +
         " to stage " + std::to_string(m.to);
}

namespace detail {

[[noreturn]] inline void refuse_message(const stage_message& m, int stages) {
  throw error("schedule: there is no " + message_text(m) + "; the stages are 0 to " + std::to_string(stages - 1) +
              ", a forward message goes to a later stage and a gradient to an earlier one");
}

/// Throws `error` where a message cannot be.
constexpr void check_message(const stage_message& m, int stages) {
  const bool goes_up = m.from < m.to;
  const int low = goes_up ? m.from : m.to, high = goes_up ? m.to : m.from;
  if (low < 0 || high >= stages || low == high || rules_of(m.made_by).awaits != (goes_up ? -1 : 1))
    refuse_message(m, stages);
}

}  // namespace detail

}  // namespace remat
