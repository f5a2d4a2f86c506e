// SPDX-License-Identifier: MIT
/// What the activations of a stage take as its rank lays them out: those of its micro-batches in flight, and the slots of
/// its messages, as many as the schedule needs.
#pragma once

#include <remat/partition/pipeline_messages.hpp>
#include <remat/partition/rank_layout.hpp>
#include <remat/plan/rank_memory.hpp>
#include <remat/schedule/message_times.hpp>
#include <remat/schedule/schedule_clock.hpp>

#include <array>
#include <cstddef>
#include <functional>
#include <utility>
#include <vector>

namespace remat {

/// The messages of a pipeline and when they travel, for all of its stages.
struct pipeline_timetable {
  core::list<pipeline_message> messages;
  message_timetable times;

  /// Of the fused program with its stages.
  pipeline_timetable(const program& p, const schedule_table& table, bool is_training)
      : messages(messages_of(p, table.stages, is_training)),
        times(message_times(table, nominal_clock(table), between_stages(messages))) {}
};

/// A stage whose micro-batches all have the same plan, alone on its rank. What it is made of must outlive it.
class stage_memory final : public detail::program_memory {
 public:
  /// What a rank holds with a plan in addition to weights, states, gradients and activations: the memory of kernels.
  using others = std::function<std::size_t(const plan&)>;

  stage_memory(const program& p, const slice& covered, updating updates, const schedule_table& table,
               const task_positions& positions, const pipeline_timetable& timetable, others with)
      : program_memory(p, covered, updates),
        stage_(covered.stage),
        table_(&table),
        positions_(&positions),
        timetable_(&timetable),
        with_(std::move(with)) {}

  std::size_t activations(const plan& made) const override {
    const std::array one{
        laid_out_stage{stage_, std::vector<const plan*>(static_cast<std::size_t>(table_->microbatches), &made)}};
    return rank_layout(*table_, positions_->rank_of(stage_), *positions_, timetable_->messages, timetable_->times, one)
        .bytes();
  }
  std::size_t bytes_with(const plan& made) const override {
    return program_memory::bytes_with(made) + (with_ ? with_(made) : 0);
  }

 private:
  int stage_;
  const schedule_table* table_;
  const task_positions* positions_;
  const pipeline_timetable* timetable_;
  others with_;
};

}  // namespace remat
