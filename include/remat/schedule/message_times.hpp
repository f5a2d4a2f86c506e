// SPDX-License-Identifier: MIT
/// When messages are sent, received and waited for: four positions in the rows of a schedule, for each message and
/// micro-batch, found from the nominal clock. All ranks find the same.
///
///     send      position in the sender's row of the task that makes the message; it leaves when this task ends
///     post      position in the receiver's row before which the receive is posted
///     consume   position in the receiver's row of the task that reads the message; it waits for the message
///     wait      position in the sender's row before which the send must be complete: its buffer is free from there on;
///               the length of the row means at the end of the step
///
/// At a position a rank does, in this order: it posts the receives of the position, waits for the sends of the
/// position, waits for what the position's task reads, runs the task, sends what it made.
///
/// `post` is the latest position, `consume` at most, that the receiver reaches (nominally: it is done with what is
/// before) earlier than the sender's task ends. The receive is then there when the message leaves, and the message
/// travels while the receiver computes. With `posting::on_time` the receiver may reach it at the moment at which the
/// task ends: in a tight schedule this is `consume` itself, which needs one buffer less and hides no transfer.
///
/// `wait` is the first position that begins (nominally) after the receiver reaches `post`, and at least 2 after `send`,
/// so that the message has a task's time to travel.
///
/// Hence no deadlock, even if no message leaves before its receive is posted: whatever a rank waits for at a position
/// that begins at nominal time t needs only tasks that begin before t. For a send, the receiver must have reached
/// `post`, that is, have run tasks that end before t; for a receive, the sender must have run `send`, which ends at t
/// at the latest, and the receive is posted, since post <= consume.
#pragma once

#include <remat/core/error.hpp>
#include <remat/schedule/schedule_clock.hpp>
#include <remat/schedule/schedule_table.hpp>
#include <remat/schedule/stage_message.hpp>
#include <remat/schedule/task_positions.hpp>

#include <cstddef>
#include <cstdint>
#include <utility>

namespace remat {

enum class posting : std::uint8_t { early, on_time };

struct message_time {
  int send = -1, post = -1, consume = -1, wait = -1;

  friend constexpr bool operator==(const message_time&, const message_time&) = default;
};

struct message_timetable {
  core::list<stage_message> messages = {};
  core::list<int> senders = {}, receivers = {};  ///< for each message its ranks; where they are equal nothing is sent
  int microbatches = 0;
  core::list<message_time> times = {};  ///< for each message, for each micro-batch; -1 where nothing is sent

  constexpr bool is_sent(int message) const { return senders[message] != receivers[message]; }
  constexpr std::size_t index(int message, int microbatch) const {
    return static_cast<std::size_t>(message) * static_cast<std::size_t>(microbatches) +
           static_cast<std::size_t>(microbatch);
  }
  constexpr const message_time& at(int message, int microbatch) const { return times[index(message, microbatch)]; }
};

namespace detail {

[[noreturn]] inline void refuse_clock(const schedule_clock& clock) {
  throw error("schedule: it cannot run:" + unmet_text(clock.unmet));
}
[[noreturn]] inline void refuse_unsent(const stage_message& m, const pipeline_task& t) {
  throw error("schedule: " + message_text(m) + ": the schedule has no " + task_text(t));
}

/// The first position in [from, to) for which a claim holds that holds from there on; `to` if none.
template <class Claim>
constexpr int first_position(int from, int to, const Claim& claim) {
  while (from < to) {
    const int middle = from + (to - from) / 2;
    if (claim(middle))
      to = middle;
    else
      from = middle + 1;
  }
  return from;
}

}  // namespace detail

/// The times of these messages under a schedule that its clock can run. Throws `error` for a message that cannot be or
/// whose tasks the schedule does not have.
constexpr message_timetable message_times(const schedule_table& table, const schedule_clock& clock,
                                          core::list<stage_message> messages, posting when = posting::early) {
  if (!clock.runs()) detail::refuse_clock(clock);
  const task_positions positions(table);
  message_timetable result;
  result.microbatches = table.microbatches;
  result.times = core::list<message_time>(messages.size() * static_cast<std::size_t>(table.microbatches));
  for (int i = 0; i < messages.count(); ++i) {
    const stage_message& message = messages[i];
    detail::check_message(message, table.stages);
    const int sender = positions.rank_of(message.from), receiver = positions.rank_of(message.to);
    result.senders.push_back(sender);
    result.receivers.push_back(receiver);
    for (int m = 0; m < table.microbatches; ++m) {
      const int send = positions.position_of(message.made_by, message.from, m),
                consume = positions.position_of(message.made_by, message.to, m);
      if (send < 0 || consume < 0)
        detail::refuse_unsent(message, {kind_with(message.made_by), send < 0 ? message.from : message.to, m});
      if (sender == receiver) continue;
      const long leaves = clock.ends[sender][send];
      // Position 0 is reached at 0, before any task ends.
      const int post = detail::first_position(1, consume + 1,
                                              [&](int position) {
                                                const long reached = clock.reached(receiver, position);
                                                return when == posting::early ? reached >= leaves : reached > leaves;
                                              }) -
                       1;
      const long posted = clock.reached(receiver, post);
      const int length = table.rows[sender].count();
      const int wait = detail::first_position(send + 2 < length ? send + 2 : length, length,
                                              [&](int position) { return clock.begins[sender][position] > posted; });
      result.times[result.index(i, m)] = {send, post, consume, wait};
    }
  }
  result.messages = std::move(messages);
  return result;
}

/// The receives of a message that are posted at most at a time, that is, the buffers that it needs, from its post until
/// the task that reads it ends. Receives are posted and read in ascending order of micro-batches.
constexpr int receive_slots(const message_timetable& times, int message) {
  if (!times.is_sent(message)) return 0;
  int most = 0;
  for (int m = 0, oldest = 0; m < times.microbatches; ++m) {
    while (times.at(message, oldest).consume < times.at(message, m).post) ++oldest;
    if (m - oldest + 1 > most) most = m - oldest + 1;
  }
  return most;
}

/// The sends of a message that are under way at most at a time, from the task that makes one until its wait.
constexpr int send_slots(const message_timetable& times, int message) {
  if (!times.is_sent(message)) return 0;
  int most = 0;
  for (int m = 0, oldest = 0; m < times.microbatches; ++m) {
    while (times.at(message, oldest).wait <= times.at(message, m).send) ++oldest;
    if (m - oldest + 1 > most) most = m - oldest + 1;
  }
  return most;
}

}  // namespace remat
