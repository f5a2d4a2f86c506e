// SPDX-License-Identifier: MIT
/// The nominal clock of a schedule: when each task begins and ends if nothing but the order of its rank and the data it
/// reads hold it back.
///
///     F(s, m) after F(s - 1, m);   B(s, m) after F(s, m) and B(s + 1, m);   tasks of a rank in the order of its row
///
/// and where backward is halved, the inputs' half takes the place of B, and the parameters' follows it on its stage.
///
/// The clock is no estimate of time (simulator.hpp is). It is what all ranks agree on without talking: from it follow
/// the points at which receives are posted and sends are waited for (message_times.hpp), and the printed grid.
#pragma once

#include <remat/core/error.hpp>
#include <remat/schedule/schedule_table.hpp>
#include <remat/schedule/task_positions.hpp>
#include <remat/schedule/task_text.hpp>

#include <string>
#include <utility>

namespace remat {

/// The first task of a rank that never begins, and what it waits for.
struct unmet_task {
  int rank = 0, position = 0;
  pipeline_task waiting = {}, awaited = {};
};

struct schedule_clock {
  core::list<core::list<long>> begins = {}, ends = {};  ///< for each rank, one for each task that runs
  core::list<long> busy = {};                           ///< for each rank, the units spent in tasks
  core::list<unmet_task> unmet = {};                    ///< empty if the table can run
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
inline std::string unmet_text(const core::list<unmet_task>& unmet) {
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
    clock_.begins = clock_.ends = core::list<core::list<long>>(table.rows.size());
    clock_.busy = core::list<long>(table.rows.size());
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
      const pipeline_task& waiting = table_.rows[rank][position];
      clock_.unmet.push_back({rank, position, waiting, awaited_by(waiting)});
    }
    return std::move(clock_);
  }

 private:
  static constexpr long never = -1;

  /// When a pass of a stage has ended, or `never` if it has not run yet.
  constexpr long end_of(pass_kind pass, int stage, int microbatch) const {
    const int position = positions_.position_of(pass, stage, microbatch), rank = positions_.rank_of(stage);
    return position < 0 || position >= clock_.ends[rank].count() ? never : clock_.ends[rank][position];
  }
  /// Calls f(pass, stage) for each pass of the same micro-batch that a task waits for: the one before its own on the
  /// same stage, then those of its neighbours.
  template <class F>
  constexpr void each_awaited(const pipeline_task& t, const F& f) const {
    const int before = static_cast<int>(rules_of(t.kind).first) - 1;
    if (before >= 0) f(static_cast<pass_kind>(before), t.stage);
    each_pass(t.kind, [&](pass_kind pass) {
      const int step = rules_of(pass).awaits, stage = t.stage + step;
      if (step != 0 && stage >= 0 && stage < table_.stages) f(pass, stage);
    });
  }
  /// The first task that has not run and must, before this one does.
  constexpr pipeline_task awaited_by(const pipeline_task& t) const {
    pipeline_task found = t;
    bool is_found = false;
    each_awaited(t, [&](pass_kind pass, int stage) {
      if (is_found || end_of(pass, stage, t.microbatch) != never) return;
      is_found = true;
      const int position = positions_.position_of(pass, stage, t.microbatch);
      found = position < 0 ? pipeline_task{kind_with(pass), stage, t.microbatch}
                           : table_.rows[positions_.rank_of(stage)][position];
    });
    return found;
  }

  /// Runs a rank until a task must wait.
  constexpr void advance(int rank) {
    const core::list<pipeline_task>& row = table_.rows[rank];
    core::list<long>&begins = clock_.begins[rank], &ends = clock_.ends[rank];
    blocked_[rank] = 0;
    while (ends.count() < row.count()) {
      const pipeline_task& t = row[ends.count()];
      long begin = ends.empty() ? 0 : ends.back();
      each_awaited(t, [&](pass_kind pass, int stage) {
        const long awaited = end_of(pass, stage, t.microbatch);
        if (awaited == never) blocked_[rank] = 1;
        if (awaited > begin) begin = awaited;
      });
      if (blocked_[rank] != 0) return;
      const long end = begin + units_.*rules_of(t.kind).units;
      begins.push_back(begin);
      ends.push_back(end);
      clock_.busy[rank] += end - begin;
      if (end > clock_.length) clock_.length = end;
      wake_after(t);
    }
  }

  /// A neighbour goes on if this task is what it waits for.
  constexpr void wake_after(const pipeline_task& t) {
    each_pass(t.kind, [&](pass_kind pass) {
      const int step = rules_of(pass).awaits, stage = t.stage - step;
      if (step == 0 || stage < 0 || stage >= table_.stages) return;
      const int rank = positions_.rank_of(stage);
      if (rank < 0 || blocked_[rank] == 0) return;
      if (positions_.position_of(pass, stage, t.microbatch) != clock_.ends[rank].count()) return;
      blocked_[rank] = 0;
      ready_.push_back(rank);
    });
  }

  const schedule_table& table_;
  clock_units units_;
  task_positions positions_;
  core::list<char> blocked_;
  core::list<int> ready_;
  schedule_clock clock_;
};

}  // namespace detail

/// The clock of a table whose tasks are there once each; time and memory are linear in the tasks. A table that cannot
/// run gives a clock that says which tasks wait for what. Throws `error` where a task is outside of the table's
/// numbers.
constexpr schedule_clock nominal_clock(const schedule_table& table, clock_units units = {}) {
  for (const task_rules& each : task_table)
    if (units.*each.units < 1) detail::refuse_units();
  return detail::clock_run(table, units).run();
}

}  // namespace remat
