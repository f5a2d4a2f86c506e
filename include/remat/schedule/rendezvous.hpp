// SPDX-License-Identifier: MIT
/// A schedule run message by message, where no message leaves before its receive is posted.
///
/// Each rank goes through its row as message_times.hpp says: at a position it posts receives, waits for sends, waits
/// for what its task reads, runs the task, sends what it made. The costs of these are a parameter, so that one run
/// serves the check for deadlock (all free) and the simulator. A run ends when no rank can go on; a rank that is then
/// not at the end of its row waits for ever.
#pragma once

#include <remat/schedule/message_slots.hpp>
#include <remat/schedule/message_times.hpp>
#include <remat/schedule/schedule_table.hpp>
#include <remat/schedule/task_text.hpp>

#include <cstddef>
#include <span>
#include <string>

namespace remat {

/// A rank that waits for ever: for a message to arrive, or for a receive to be posted for what it sends.
struct stuck_rank {
  int rank = 0, position = 0;
  int message = 0, microbatch = 0;  ///< of the timetable
  bool is_sender = false;
};

/// Costs that are none: what waits for what, without time.
struct free_of_cost {
  /// When a rank that is free may read what its task reads.
  constexpr double begin(int /*rank*/, const pipeline_task&, double now) { return now; }
  /// When a rank has received a message (an index of the timetable) that left and whose receive was posted.
  constexpr double receive(int /*rank*/, int /*message*/, double /*left*/, double /*posted*/, double now) {
    return now;
  }
  /// When a task ends of which everything is received.
  constexpr double run(int /*rank*/, const pipeline_task&, double now) { return now; }
  /// When a rank has handed over a message.
  constexpr double send(int /*rank*/, int /*message*/, double now) { return now; }
  /// When a rank has waited for a send to be complete.
  constexpr double complete(int /*rank*/, int /*message*/, double /*left*/, double /*posted*/, double now) {
    return now;
  }
  /// When a rank goes on to its next position.
  constexpr double end(int /*rank*/, const pipeline_task&, double now) { return now; }
};

template <class Costs>
class rendezvous_run {
 public:
  constexpr rendezvous_run(const schedule_table& table, const message_timetable& times, Costs& costs)
      : table_(table),
        times_(times),
        costs_(costs),
        slots_(table, times),
        ranks_(table.rows.size()),
        left_(times.times.size(), never),
        posted_(times.times.size(), never) {}

  /// Runs all ranks as far as they go; returns those that wait for ever.
  constexpr core::list<stuck_rank> run() {
    for (int rank = 0; rank < table_.ranks(); ++rank) ready_.push_back(rank);
    while (!ready_.empty()) {
      const int rank = ready_.back();
      ready_.pop_back();
      while (advance(rank)) {
      }
    }
    core::list<stuck_rank> stuck;
    for (int rank = 0; rank < table_.ranks(); ++rank)
      if (const state& s = ranks_[rank]; s.awaited >= 0)
        stuck.push_back({rank, s.position, s.awaited / times_.microbatches, s.awaited % times_.microbatches,
                         s.at == step::waiting});
    return stuck;
  }

  /// When a rank is at the end of its row.
  constexpr double end_of(int rank) const { return ranks_[rank].now; }

 private:
  static constexpr double never = -1;
  enum class step : unsigned char { posting, waiting, reading };
  struct state {
    double now = 0;
    int position = 0;
    int awaited = -1;      ///< the message that holds the rank up
    std::size_t done = 0;  ///< messages of this step
    step at = step::posting;
  };

  /// Does a position; returns whether there is a next one to do now.
  constexpr bool advance(int rank) {
    state& s = ranks_[rank];
    const int length = table_.rows[rank].count();
    if (s.at == step::posting) {
      for (const int i : slots_.posts(rank, s.position)) {
        posted_[i] = s.now;
        wake(times_.senders[i / times_.microbatches], i);
      }
      s.at = step::waiting;
    }
    if (s.at == step::waiting) {
      const std::span<const int> waits = slots_.waits(rank, s.position);
      for (; s.done < waits.size(); ++s.done) {
        const int i = waits[s.done];
        if (posted_[i] == never) return block(s, i);
        s.now = costs_.complete(rank, i, left_[i], posted_[i], s.now);
      }
      if (s.position == length) return false;
      s.done = 0;
      s.at = step::reading;
      s.now = costs_.begin(rank, table_.rows[rank][s.position], s.now);
    }
    const std::span<const int> reads = slots_.reads(rank, s.position);
    for (; s.done < reads.size(); ++s.done) {
      const int i = reads[s.done];
      if (left_[i] == never) return block(s, i);
      s.now = costs_.receive(rank, i, left_[i], posted_[i], s.now);
    }
    const pipeline_task& t = table_.rows[rank][s.position];
    s.now = costs_.run(rank, t, s.now);
    for (const int i : slots_.sends(rank, s.position)) {
      left_[i] = s.now;
      s.now = costs_.send(rank, i, s.now);
      wake(times_.receivers[i / times_.microbatches], i);
    }
    s.now = costs_.end(rank, t, s.now);
    s.done = 0;
    s.at = step::posting;
    ++s.position;
    return true;
  }

  static constexpr bool block(state& s, int message) {
    s.awaited = message;
    return false;
  }
  constexpr void wake(int rank, int message) {
    if (ranks_[rank].awaited != message) return;
    ranks_[rank].awaited = -1;
    ready_.push_back(rank);
  }

  const schedule_table& table_;
  const message_timetable& times_;
  Costs& costs_;
  message_slots slots_;
  core::list<state> ranks_;
  core::list<double> left_, posted_;  ///< for each message and micro-batch
  core::list<int> ready_;
};

/// One line for each rank that waits for ever; the first 10 of them.
inline std::string stuck_text(const core::list<stuck_rank>& stuck, const schedule_table& table,
                              const message_timetable& times) {
  constexpr int most = 10;
  std::string text;
  for (int i = 0; i < stuck.count() && i < most; ++i) {
    const stuck_rank& s = stuck[i];
    text += "\n  " + (s.position < table.rows[s.rank].count() ? row_text(table, s.rank, s.position)
                                                              : "rank " + std::to_string(s.rank) + ", at the end");
    text += s.is_sender ? " waits for the receive of the " : " waits for the ";
    text += message_text(times.messages[s.message]) + ", micro-batch " + std::to_string(s.microbatch);
    text += s.is_sender ? ", which rank " + std::to_string(times.receivers[s.message]) + " has not posted"
                        : ", which rank " + std::to_string(times.senders[s.message]) + " has not sent";
  }
  if (stuck.count() > most) text += "\n  and " + std::to_string(stuck.count() - most) + " more";
  return text;
}

}  // namespace remat
