// SPDX-License-Identifier: MIT
/// The messages by where they matter: for each rank and position of a schedule, the receives that are posted there, the
/// sends that are waited for there, the messages that its task reads and those that it makes.
///
/// A message of a micro-batch is known by its index in `message_timetable::times`; the lists are in ascending order of
/// it. Time and memory are linear in tasks and messages.
#pragma once

#include <remat/schedule/message_times.hpp>
#include <remat/schedule/schedule_table.hpp>

#include <cstddef>
#include <span>

namespace remat {

class message_slots {
 public:
  constexpr message_slots(const schedule_table& table, const message_timetable& times) {
    first_.push_back(0);
    for (const core::list<pipeline_task>& row : table.rows)
      first_.push_back(first_.back() + row.size() + 1);  // + the end of the row
    posts_ = sorted(times, times.receivers, &message_time::post);
    waits_ = sorted(times, times.senders, &message_time::wait);
    reads_ = sorted(times, times.receivers, &message_time::consume);
    sends_ = sorted(times, times.senders, &message_time::send);
  }

  constexpr std::span<const int> posts(int rank, int position) const { return of(posts_, rank, position); }
  /// The position may be the length of the row.
  constexpr std::span<const int> waits(int rank, int position) const { return of(waits_, rank, position); }
  constexpr std::span<const int> reads(int rank, int position) const { return of(reads_, rank, position); }
  constexpr std::span<const int> sends(int rank, int position) const { return of(sends_, rank, position); }

 private:
  static constexpr auto no_slot = static_cast<std::size_t>(-1);
  struct by_slot {
    core::list<std::size_t> begins = {};  ///< for each slot and one more
    core::list<int> messages = {};
  };

  constexpr by_slot sorted(const message_timetable& times, const core::list<int>& ranks,
                           int message_time::*position) const {
    core::list<std::size_t> slots(times.times.size(), no_slot);
    for (int i = 0; i < times.messages.count(); ++i)
      for (int m = 0; m < times.microbatches && times.is_sent(i); ++m)
        slots[times.index(i, m)] = first_[ranks[i]] + static_cast<std::size_t>(times.at(i, m).*position);
    // begins[s + 2] counts slot s; summed, begins[s + 1] is where slot s begins and, once it is filled, where it ends.
    by_slot result{core::list<std::size_t>(first_.back() + 2), {}};
    for (const std::size_t slot : slots)
      if (slot != no_slot) ++result.begins[slot + 2];
    for (std::size_t s = 1; s < result.begins.size(); ++s) result.begins[s] += result.begins[s - 1];
    result.messages = core::list<int>(result.begins.back());
    for (std::size_t i = 0; i < slots.size(); ++i)
      if (slots[i] != no_slot) result.messages[result.begins[slots[i] + 1]++] = static_cast<int>(i);
    return result;
  }

  constexpr std::span<const int> of(const by_slot& lists, int rank, int position) const {
    const std::size_t slot = first_[rank] + static_cast<std::size_t>(position);
    return {lists.messages.data() + lists.begins[slot], lists.begins[slot + 1] - lists.begins[slot]};
  }

  core::list<std::size_t> first_;  ///< for each rank, its first slot
  by_slot posts_, waits_, reads_, sends_;
};

}  // namespace remat
