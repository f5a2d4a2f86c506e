// SPDX-License-Identifier: MIT
/// The option `.schedule`: a setting, which makes a table for any numbers, or a table, which has its own.
///
///     pipeline_schedule a = remat::schedule::one_f_one_b;
///     pipeline_schedule b = remat::read_schedule("mine.csv");
#pragma once

#include <remat/core/error.hpp>
#include <remat/schedule/schedule.hpp>
#include <remat/schedule/schedule_table.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace remat {

class pipeline_schedule {
 public:
  constexpr pipeline_schedule() = default;
  constexpr pipeline_schedule(schedule_setting setting)  // NOLINT(google-explicit-constructor): an option's value
      : setting_(setting) {}
  constexpr pipeline_schedule(schedule_table table)  // NOLINT(google-explicit-constructor): an option's value
      : table_(std::move(table)) {}

  constexpr bool is_table() const { return table_.has_value(); }
  constexpr std::string_view name() const { return table_ ? std::string_view("table") : setting_.name; }

  /// The number of stages that the schedule runs on these ranks.
  constexpr std::int64_t stages(int ranks) const {
    return table_ ? table_->stages : std::int64_t{setting_.stages_per_rank} * ranks;
  }

  /// The table for these numbers; throws `error` where the setting does not take them or the table has others. A table
  /// is given as it is: `check_schedule` says whether it can run.
  constexpr schedule_table table(int ranks, int microbatches) const {
    if (!table_) return setting_.make(ranks, microbatches);
    if (table_->ranks() != ranks || table_->microbatches != microbatches) refuse(ranks, microbatches);
    return *table_;
  }

 private:
  [[noreturn]] void refuse(int ranks, int microbatches) const {
    throw error("schedule: the table is for " + std::to_string(table_->ranks()) + " ranks and " +
                std::to_string(table_->microbatches) + " micro-batches, and the pipeline has " + std::to_string(ranks) +
                " ranks and " + std::to_string(microbatches) + " micro-batches");
  }

  schedule_setting setting_ = schedule::one_f_one_b;
  std::optional<schedule_table> table_;
};

}  // namespace remat
