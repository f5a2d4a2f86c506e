// SPDX-License-Identifier: MIT
/// What a rank of a pipeline holds with the plans of its stages: activations as it lays them out, those of all
/// micro-batches in flight and the slots of messages among them; parameters, states and tables; and its arena, where
/// more is known of that.
#pragma once

#include <remat/partition/pipeline_timetable.hpp>
#include <remat/partition/rank_layout.hpp>
#include <remat/plan/rank_memory.hpp>
#include <remat/plan/table_bytes.hpp>
#include <remat/schedule/task_positions.hpp>

#include <cstddef>
#include <span>

namespace remat {

/// The arena of a rank. This one has activations alone; another one knows what kernels need.
class rank_arena {
 public:
  virtual ~rank_arena() = default;

  /// With these activations, of these plans; and what the rank holds that its program does not say.
  virtual std::size_t bytes_with(std::size_t activation_bytes, std::span<const laid_out_stage> /*stages*/) const {
    return activation_bytes;
  }
  /// No plans of as many activations have less.
  virtual std::size_t least_with(std::size_t activation_bytes) const { return activation_bytes; }

 protected:
  rank_arena() = default;
  rank_arena(const rank_arena&) = default;
  rank_arena& operator=(const rank_arena&) = default;
};
class arena_of_activations final : public rank_arena {};

class rank_holdings {
 public:
  /// All of them must outlive it; p is the fused program with its stages.
  rank_holdings(const program& p, const schedule_table& table, const task_positions& positions,
                const pipeline_timetable& timetable, int rank, const rank_arena& arena)
      : table_(&table), positions_(&positions), timetable_(&timetable), rank_(rank), arena_(&arena) {
    detail::parameter_bytes fixed(p);
    for (int s = 0; s < table.stages; ++s)
      if (positions.rank_of(s) == rank) fixed.add(slice_of_stage(p, s), updating::after_step);
    fixed_ = fixed.sum() + table_bytes(p, [&](const operation& o) { return positions.rank_of(o.stage) == rank; });
  }

  int rank() const { return rank_; }
  rank_layout layout(std::span<const laid_out_stage> stages) const {
    return {*table_, rank_, *positions_, timetable_->messages, timetable_->times, stages};
  }
  std::size_t activations(std::span<const laid_out_stage> stages) const { return layout(stages).bytes(); }
  /// All that the rank holds, where the activations of these plans take `activation_bytes`.
  std::size_t bytes_with(std::size_t activation_bytes, std::span<const laid_out_stage> stages) const {
    return fixed_ + arena_->bytes_with(activation_bytes, stages);
  }
  std::size_t least_with(std::size_t activation_bytes) const { return fixed_ + arena_->least_with(activation_bytes); }

 private:
  const schedule_table* table_;
  const task_positions* positions_;
  const pipeline_timetable* timetable_;
  int rank_;
  const rank_arena* arena_;
  std::size_t fixed_ = 0;
};

}  // namespace remat
