// SPDX-License-Identifier: MIT
/// The nominal clock of a schedule: when each task begins and ends if nothing but the order of its rank and the data it
/// reads hold it back.
///
///     F(s, m) after F(s - 1, m);   B(s, m) after F(s, m) and B(s + 1, m);   tasks of a rank in the order of its row
///
/// The clock is no estimate of time (simulate.hpp is). It is what all ranks agree on without talking: from it follow
/// the points at which receives are posted and sends are waited for (message_times.hpp), and the printed grid.
#pragma once

#include <remat/core/error.hpp>
#include <remat/dist/schedule_table.hpp>
#include <remat/dist/task_positions.hpp>
#include <remat/dist/task_text.hpp>

#include <string>
#include <utility>

namespace remat {

/// How long a task takes; at least 1 each.
struct clock_units {
  long forward = 1, backward = 2;

  constexpr long of(task_kind kind) const { return kind == task_kind::forward ? forward : backward; }
};

/// The first task of a rank that never begins, and what it waits for.
struct unmet_task {
  int rank = 0, position = 0;
  task waiting = {}, awaited = {};
};

struct schedule_clock {
  list<list<long>> begins = {}, ends = {};  ///< for each rank, one for each task that runs
  list<long> busy = {};                     ///< for each rank, the units spent in tasks
  list<unmet_task> unmet = {};              ///< empty if the table can run
  long length = 0;                          ///< when the last task ends

  constexpr bool runs() const { return unmet.empty(); }
  /// The share of the schedule's length in which a rank does nothing.
  constexpr double bubble(int rank) const {
    return length == 0 ? 0 : 1 - static_cast<double>(busy[rank]) / static_cast<double>(length);
  }
  /// The mean of all ranks.
  constexpr double bubble() const {
    double sum = 0;
    for (int rank = 0; rank < busy.count(); ++rank) sum += bubble(rank);
    return busy.empty() ? 0 : sum / static_cast<double>(busy.size());
  }
  /// When a rank is done with what is before a position: 0 at position 0.
  constexpr long reached(int rank, int position) const { return position == 0 ? 0 : ends[rank][position - 1]; }
};

/// One line for each rank that waits for ever; the first 10 of them.
inline std::string unmet_text(const list<unmet_task>& unmet) {
  constexpr int most = 10;
  std::string text;
  for (int i = 0; i < unmet.count() && i < most; ++i)
    text += "\n  " + place_text(unmet[i].rank, unmet[i].position) + ": " + task_text(unmet[i].waiting) + " waits for " +
            task_text(unmet[i].awaited);
  if (unmet.count() > most) text += "\n  and " + std::to_string(unmet.count() - most) + " more";
  return text;
}

namespace detail {

[[noreturn]] inline void refuse_units() { throw error("schedule clock: a task takes at least 1 unit"); }

class clock_run {
 public:
  constexpr clock_run(const schedule_table& table, clock_units units)
      : table_(table), units_(units), positions_(table), blocked_(table.rows.size(), 0) {
    clock_.begins = clock_.ends = list<list<long>>(table.rows.size());
    clock_.busy = list<long>(table.rows.size());
    for (int rank = 0; rank < table.ranks(); ++rank) {
      clock_.begins[rank].reserve(table.rows[rank].size());
      clock_.ends[rank].reserve(table.rows[rank].size());
    }
  }

  constexpr schedule_clock run() {
    for (int rank = 0; rank < table_.ranks(); ++rank) ready_.push_back(rank);
    while (!ready_.empty()) {
      const int rank = ready_.back();
      ready_.pop_back();
      advance(rank);
    }
    for (int rank = 0; rank < table_.ranks(); ++rank) {
      const int position = clock_.ends[rank].count();
      if (position == table_.rows[rank].count()) continue;
      const task& waiting = table_.rows[rank][position];
      clock_.unmet.push_back({rank, position, waiting, awaited_by(waiting)});
    }
    return std::move(clock_);
  }

 private:
  static constexpr long never = -1;

  /// When a task has ended: 0 if it is not needed (stage -1), `never` if it has not run yet.
  constexpr long end_of(const task& t) const {
    if (t.stage < 0) return 0;
    const int position = positions_.position_of(t), rank = positions_.rank_of(t.stage);
    return position < 0 || position >= clock_.ends[rank].count() ? never : clock_.ends[rank][position];
  }
  constexpr task from_neighbour(const task& t) const {
    const int stage = t.kind == task_kind::forward ? t.stage - 1 : t.stage + 1;
    return {t.kind, stage < table_.stages ? stage : -1, t.microbatch};
  }
  static constexpr task own_forward(const task& t) {
    return {task_kind::forward, t.kind == task_kind::backward ? t.stage : -1, t.microbatch};
  }
  constexpr task awaited_by(const task& t) const {
    const task own = own_forward(t);
    return end_of(own) == never ? own : from_neighbour(t);
  }

  /// Runs a rank until a task must wait.
  constexpr void advance(int rank) {
    const list<task>& row = table_.rows[rank];
    list<long>&begins = clock_.begins[rank], &ends = clock_.ends[rank];
    blocked_[rank] = 0;
    while (ends.count() < row.count()) {
      const task& t = row[ends.count()];
      const long from_others = end_of(from_neighbour(t)), from_here = end_of(own_forward(t));
      if (from_others == never || from_here == never) {
        blocked_[rank] = 1;
        return;
      }
      const long free = ends.empty() ? 0 : ends.back();
      const long begin = free > from_others ? free : from_others;  // what ran here has ended by `free`
      const long end = begin + units_.of(t.kind);
      begins.push_back(begin);
      ends.push_back(end);
      clock_.busy[rank] += end - begin;
      if (end > clock_.length) clock_.length = end;
      wake_after(t);
    }
  }

  /// The neighbour goes on if this task is what it waits for.
  constexpr void wake_after(const task& t) {
    const int stage = t.kind == task_kind::forward ? t.stage + 1 : t.stage - 1;
    if (stage < 0 || stage >= table_.stages) return;
    const int rank = positions_.rank_of(stage);
    if (rank < 0 || blocked_[rank] == 0) return;
    if (table_.rows[rank][clock_.ends[rank].count()] != task{t.kind, stage, t.microbatch}) return;
    blocked_[rank] = 0;
    ready_.push_back(rank);
  }

  const schedule_table& table_;
  clock_units units_;
  task_positions positions_;
  list<char> blocked_;
  list<int> ready_;
  schedule_clock clock_;
};

}  // namespace detail

/// The clock of a table whose tasks are there once each; time and memory are linear in the tasks. A table that cannot
/// run gives a clock that says which tasks wait for what. Throws `error` where a task lies outside of the table's
/// numbers.
constexpr schedule_clock nominal_clock(const schedule_table& table, clock_units units = {}) {
  if (units.forward < 1 || units.backward < 1) detail::refuse_units();
  return detail::clock_run(table, units).run();
}

}  // namespace remat
