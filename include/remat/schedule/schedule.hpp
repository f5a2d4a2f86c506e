// SPDX-License-Identifier: MIT
/// Schedules: how the ranks of a pipeline interleave the forward and backward passes of micro-batches.
///
///     setting               stages per rank   in flight on stage s        bubble at m micro-batches, p ranks
///     gpipe                 1                 m                           (p - 1) / (m + p - 1)
///     one_f_one_b           1                 min(p - s, m)               (p - 1) / (m + p - 1)
///     zero_bubble           1                 min(p - s, m)               (p - 1) / (3 m + p - 1) where m >= p and the
///                                                                         three passes take the same time
///     interleaved<V>        V                 more than one_f_one_b       (p - 1) / (V m + p - 1)
///     forward_only          1, or .over(n)    none is kept                for inference
///
/// Stage s is on rank s % p. For one stage, every schedule passes micro-batches forward in ascending order and backward
/// in ascending order, since gradients accumulate in this order. A table of one's own does as well: `pipeline_schedule`
/// takes either.
///
///     remat::schedule_table table = remat::schedule::one_f_one_b.make(4, 8);   // 4 ranks, 8 micro-batches
#pragma once

#include <remat/core/error.hpp>
#include <remat/schedule/schedule_table.hpp>

#include <cstddef>
#include <string>
#include <string_view>

namespace remat {

namespace detail {

[[noreturn]] inline void refuse_schedule(std::string_view name, const std::string& complaint) {
  throw error("schedule " + std::string(name) + ": " + complaint);
}
[[noreturn]] inline void refuse_sizes(std::string_view name, int ranks, int stages_per_rank, int microbatches) {
  refuse_schedule(name, "ranks, stages per rank and micro-batches are at least 1 each, not " + std::to_string(ranks) +
                            ", " + std::to_string(stages_per_rank) + " and " + std::to_string(microbatches));
}
[[noreturn]] inline void refuse_tasks(std::string_view name, int ranks, int stages_per_rank, int microbatches) {
  refuse_schedule(name, "a table has at most 100,000,000 passes, and this one would have 2 x " + std::to_string(ranks) +
                            " ranks x " + std::to_string(stages_per_rank) + " stages x " +
                            std::to_string(microbatches) + " micro-batches");
}
[[noreturn]] inline void refuse_rest(int ranks, int microbatches) {
  const int below = microbatches / ranks * ranks, above = below + ranks;
  refuse_schedule("interleaved", "the micro-batches must be a multiple of the ranks, and " +
                                     std::to_string(microbatches) + " is none of " + std::to_string(ranks) + "; take " +
                                     (below > 0 ? std::to_string(below) + " or " : "") + std::to_string(above) +
                                     " micro-batches, or the schedule one_f_one_b");
}
[[noreturn]] inline void refuse_stages(std::string_view name, int stages_per_rank) {
  refuse_schedule(name, "a rank has one stage, not " + std::to_string(stages_per_rank) +
                            "; interleaved takes several stages on a rank");
}

constexpr schedule_table empty_table(int ranks, int stages_per_rank, int microbatches) {
  schedule_table table;
  table.stages = ranks * stages_per_rank;
  table.microbatches = microbatches;
  table.rows = core::list<core::list<pipeline_task>>(static_cast<std::size_t>(ranks));
  for (core::list<pipeline_task>& row : table.rows)
    row.reserve(2 * static_cast<std::size_t>(stages_per_rank * microbatches));
  return table;
}

/// The k-th pass of a rank with several stages: `ranks` micro-batches on one stage, then on the next; after the last
/// stage the next `ranks` micro-batches. Backward visits the stages in reverse.
constexpr pipeline_task interleaved_pass(task_kind kind, int k, int rank, int ranks, int stages_per_rank) {
  const int round = k / (ranks * stages_per_rank), within = k % (ranks * stages_per_rank), visited = within / ranks;
  const int local = rules_of(kind).does(pass_kind::forward) ? visited : stages_per_rank - 1 - visited;
  return {kind, local * ranks + rank, round * ranks + within % ranks};
}

constexpr schedule_table gpipe_table(int ranks, int stages_per_rank, int microbatches) {
  if (stages_per_rank != 1) refuse_stages("gpipe", stages_per_rank);
  schedule_table table = empty_table(ranks, 1, microbatches);
  for (int rank = 0; rank < ranks; ++rank)
    for (const task_kind kind : {task_kind::forward, task_kind::backward})
      for (int m = 0; m < microbatches; ++m) table.rows[rank].push_back({kind, rank, m});
  return table;
}

/// Passes in steady alternation: `ahead` forward passes before the first backward one.
template <class Pass>
constexpr void alternate(core::list<pipeline_task>& row, int passes, int ahead, const Pass& pass) {
  if (ahead > passes) ahead = passes;
  for (int k = 0; k < ahead; ++k) row.push_back(pass(task_kind::forward, k));
  for (int k = ahead; k < passes; ++k) {
    row.push_back(pass(task_kind::forward, k));
    row.push_back(pass(task_kind::backward, k - ahead));
  }
  for (int k = passes - ahead; k < passes; ++k) row.push_back(pass(task_kind::backward, k));
}

constexpr schedule_table one_f_one_b_table(int ranks, int stages_per_rank, int microbatches) {
  if (stages_per_rank != 1) refuse_stages("one_f_one_b", stages_per_rank);
  schedule_table table = empty_table(ranks, 1, microbatches);
  for (int rank = 0; rank < ranks; ++rank)
    alternate(table.rows[rank], microbatches, ranks - 1 - rank, [&](task_kind kind, int k) {
      return pipeline_task{kind, rank, k};
    });
  return table;
}

/// Gradients go back as soon as in one_f_one_b or sooner, and those of parameters are postponed by as many
/// micro-batches as there are stages before, so that they fill what would be idle at the end. Nobody waits for the
/// first stage's: its backward passes are not halved.
constexpr schedule_table zero_bubble_table(int ranks, int stages_per_rank, int microbatches) {
  if (stages_per_rank != 1) refuse_stages("zero_bubble", stages_per_rank);
  schedule_table table = one_f_one_b_table(ranks, 1, microbatches);
  for (int rank = 1; rank < ranks; ++rank) {
    core::list<pipeline_task> halved;
    halved.reserve(3 * static_cast<std::size_t>(microbatches));
    int postponed = 0;
    for (const pipeline_task& t : table.rows[rank]) {
      if (!rules_of(t.kind).does(pass_kind::backward_input)) {
        halved.push_back(t);
        continue;
      }
      halved.push_back({task_kind::backward_input, rank, t.microbatch});
      if (t.microbatch >= rank) halved.push_back({task_kind::backward_parameters, rank, postponed++});
    }
    while (postponed < microbatches) halved.push_back({task_kind::backward_parameters, rank, postponed++});
    table.rows[rank] = static_cast<core::list<pipeline_task>&&>(halved);
  }
  return table;
}

constexpr schedule_table interleaved_table(int ranks, int stages_per_rank, int microbatches) {
  if (microbatches % ranks != 0) refuse_rest(ranks, microbatches);
  schedule_table table = empty_table(ranks, stages_per_rank, microbatches);
  // A micro-batch comes back to a rank's last stage after two passes on each later rank; with one stage, which is that
  // of the loss on the last rank, one suffices.
  const int passes_a_rank = stages_per_rank == 1 ? 1 : 2;
  for (int rank = 0; rank < ranks; ++rank)
    alternate(table.rows[rank], stages_per_rank * microbatches,
              passes_a_rank * (ranks - 1 - rank) + (stages_per_rank - 1) * ranks,
              [&](task_kind kind, int k) { return interleaved_pass(kind, k, rank, ranks, stages_per_rank); });
  return table;
}

/// Rounds of one micro-batch per rank, stage by stage: valid wherever the stages are.
constexpr void add_forward_passes(schedule_table& table, const core::list<int>& rank_of) {
  const int together = table.ranks();
  for (int first = 0; first < table.microbatches; first += together)
    for (int stage = 0; stage < table.stages; ++stage)
      for (int m = first; m < first + together && m < table.microbatches; ++m)
        table.rows[rank_of[stage]].push_back({task_kind::forward, stage, m});
}

constexpr schedule_table forward_table(int ranks, int stages_per_rank, int microbatches) {
  schedule_table table = empty_table(ranks, stages_per_rank, microbatches);
  core::list<int> rank_of;
  for (int stage = 0; stage < table.stages; ++stage) rank_of.push_back(stage % ranks);
  add_forward_passes(table, rank_of);
  return table;
}

}  // namespace detail

/// A schedule without its numbers. One's own is a name and a constexpr function of ranks, stages per rank and
/// micro-batches.
struct schedule_setting {
  std::string_view name;
  int stages_per_rank = 1;
  schedule_table (*generate)(int ranks, int stages_per_rank, int microbatches) = nullptr;

  /// The table for these numbers; throws `error` where the schedule does not take them.
  constexpr schedule_table make(int ranks, int microbatches) const {
    if (ranks < 1 || stages_per_rank < 1 || microbatches < 1)
      detail::refuse_sizes(name, ranks, stages_per_rank, microbatches);
    if (2.0 * ranks * stages_per_rank * microbatches > 1e8)
      detail::refuse_tasks(name, ranks, stages_per_rank, microbatches);
    return generate(ranks, stages_per_rank, microbatches);
  }
  /// The same with another number of stages on each rank.
  constexpr schedule_setting over(int stages) const { return {name, stages, generate}; }
};

namespace schedule {

/// All forward passes, then all backward passes (Huang et al. 2019). Keeps every micro-batch.
inline constexpr schedule_setting gpipe{"gpipe", 1, detail::gpipe_table};

/// One forward, one backward (PipeDream-flush, Narayanan et al. 2019): keeps no more micro-batches than stages follow.
inline constexpr schedule_setting one_f_one_b{"one_f_one_b", 1, detail::one_f_one_b_table};

/// One forward, one backward, where the backward pass of all stages but the first is halved (ZB-H1 of Qi et al. 2023,
/// "Zero Bubble Pipeline Parallelism"): a third of the bubble, where the halves take as long as a forward pass. Stage s
/// keeps no more micro-batches for the gradients of inputs than one_f_one_b does, and what the gradients of parameters
/// read for up to s + 1; together no more than the first stage's.
inline constexpr schedule_setting zero_bubble{"zero_bubble", 1, detail::zero_bubble_table};

/// One forward, one backward, with V stages on each rank (Narayanan et al. 2021, Megatron-LM): a bubble V times smaller
/// for V times the messages. The micro-batches must be a multiple of the ranks.
template <int V>
inline constexpr schedule_setting interleaved{"interleaved", V, detail::interleaved_table};

/// Forward passes alone, for inference; `forward_only.over(V)` with V stages on each rank.
inline constexpr schedule_setting forward_only{"forward_only", 1, detail::forward_table};

}  // namespace schedule

/// For inference where the stages of a (checked) schedule are: its forward passes, with another number of
/// micro-batches.
constexpr schedule_table forward_only_like(const schedule_table& training, int microbatches) {
  if (microbatches < 1) detail::refuse_sizes("forward_only", training.ranks(), 1, microbatches);
  schedule_table table{training.stages, microbatches, core::list<core::list<pipeline_task>>(training.rows.size())};
  core::list<int> rank_of(static_cast<std::size_t>(training.stages));
  for (int rank = 0; rank < training.ranks(); ++rank)
    for (const pipeline_task& t : training.rows[rank]) rank_of[t.stage] = rank;
  detail::add_forward_passes(table, rank_of);
  return table;
}

}  // namespace remat
