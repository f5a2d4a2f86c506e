// SPDX-License-Identifier: MIT
/// The simulation of a program: how long a training step takes under a schedule, and what each rank holds, from what
/// each operation costs. Nothing runs, so that a thousand ranks are as good as two.
///
///     const remat::operation_costs costs = remat::counted_seconds(p, microbatch, 1e11);   // or remat::profile(...)
///     const remat::simulated_program s =
///         remat::simulate(p, remat::schedule::one_f_one_b.make(4, 8), costs, {.connection = {1e-6, 1e10}});
///     s.step.seconds, s.step.bubble(), s.ranks[0].activations
///
/// `p` is the fused program with its stages and checkpoints, as `assign_stages` leaves it and `distributed_network` has
/// it. Costs are in seconds, of a micro-batch. What a stage costs in each of them comes from its plans
/// (stage_costs.hpp), which are those of pipeline_plans.hpp; and there is one message for each tensor that crosses to
/// another stage, with its bytes.
#pragma once

#include <remat/core/error.hpp>
#include <remat/partition/pipeline_messages.hpp>
#include <remat/partition/pipeline_plans.hpp>
#include <remat/partition/rank_layout.hpp>
#include <remat/partition/stage_costs.hpp>
#include <remat/plan/counted_costs.hpp>
#include <remat/plan/divided_checkpoints.hpp>
#include <remat/plan/predicted_cost.hpp>
#include <remat/schedule/message_times.hpp>
#include <remat/schedule/pipeline_costs.hpp>
#include <remat/schedule/simulated_step.hpp>
#include <remat/schedule/simulator.hpp>

#include <cstddef>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace remat {

/// What a rank holds, in bytes. Kernels' scratch and packed weights, which depend on the machine, are not among them.
struct rank_bytes {
  std::size_t weights = 0;
  std::size_t gradients = 0;
  std::size_t activations = 0;  ///< of its layout

  std::size_t total() const { return weights + gradients + activations; }
};

struct simulated_program {
  pipeline_costs given;            ///< what the simulator was told: the costs of stages and messages
  simulated_step step;             ///< what it says of a step
  std::vector<rank_bytes> ranks;   ///< of one replica
  std::vector<double> recomputed;  ///< of each stage, the seconds of all recomputation of a micro-batch; the mean
  core::list<ignored_checkpoint> ignored = {};  ///< that the stages cut through and that cannot be divided
  core::list<split_checkpoint> split = {};      ///< that are checkpointed in parts, one on each stage
};

namespace detail {

/// What a stage costs, in each of its micro-batches.
inline void add_costs(const planned_stage& planned, const operation_costs& costs, simulated_program& made) {
  std::vector<std::pair<stage_cost, double>> each;
  for (const plan& one : planned.plans) each.push_back(cost_of_stage(one, costs));
  double recomputed = 0;
  core::list<stage_cost> of_microbatch;
  for (const int k : planned.of_microbatch) {
    of_microbatch.push_back(each[static_cast<std::size_t>(k)].first);
    recomputed += each[static_cast<std::size_t>(k)].second;
  }
  made.given.stages.push_back(each[0].first);
  made.given.microbatches.push_back(planned.is_uniform() ? core::list<stage_cost>() : std::move(of_microbatch));
  made.recomputed.push_back(planned.is_uniform() ? each[0].second
                                                 : recomputed / static_cast<double>(planned.of_microbatch.size()));
}

/// Weights and gradients of the operations on each rank, a parameter once on each, whose gradients have a place for
/// each of its occurrences.
inline void add_parameters(const program& p, const schedule_table& table, std::vector<rank_bytes>& ranks,
                           pipeline_costs& given) {
  const task_positions positions(table);
  std::set<std::pair<int, int>> held;  // owner and rank
  for (const operation& o : p.operations)
    for (int k = 0; k < o.parameters; ++k) {
      const parameter_slot& slot = p.parameters[o.first_parameter + k];
      const int rank = positions.rank_of(o.stage);
      const std::size_t bytes = slot.declared.elements() * sizeof(float);
      if (held.insert({slot.owner, rank}).second) ranks[static_cast<std::size_t>(rank)].weights += aligned(bytes);
      if (!o.trains()) continue;
      ranks[static_cast<std::size_t>(rank)].gradients += aligned(bytes);
      given.stages[o.stage].gradient_bytes += static_cast<double>(bytes);
    }
}

}  // namespace detail

/// Simulates a training step. `how` says what connects the ranks and what is overlapped; its stages and messages are
/// made here, from plans on these terms; `arena`: what ranks have in addition to activations, where it is known. Throws
/// `error` for costs of another program, and where the stages are not those of the schedule.
inline simulated_program simulate(const program& p, const schedule_table& table, const operation_costs& costs,
                                  pipeline_costs how = {}, const plan_terms& terms = {},
                                  const rank_arena* arena = nullptr) {
  if (p.loss == core::none) throw error("simulate is of training steps, and this model has no loss; give it one");
  require_costs_of(p, costs);
  const int stages = p.operations.empty() ? 0 : p.operations.back().stage + 1;
  if (stages != table.stages)
    throw error("simulate: the program has " + std::to_string(stages) + " stages, and the schedule has " +
                std::to_string(table.stages) + "; give the program's operations their stages (assign_stages)");
  check_tasks(table, true);
  plan_terms planned = terms;
  planned.recomputes_in_bubbles = terms.recomputes_in_bubbles && how.early_recompute;
  const std::vector<planned_stage> plans = pipeline_plans(p, table, costs.batch, planned, arena);
  core::list<pipeline_message> messages;  // those of messages_of, by plans that are there
  for (const planned_stage& each : plans) add_messages(messages, each.plans[0].covered.stage, each.plans[0].ports);
  simulated_program made{
      std::move(how), {}, std::vector<rank_bytes>(table.rows.size()), {}, ignored_checkpoints(p), split_checkpoints(p)};
  made.given.stages.clear();
  made.given.messages.clear();
  made.given.microbatches.clear();
  for (const planned_stage& each : plans) detail::add_costs(each, costs, made);
  const core::list<stage_message> between = between_stages(messages);
  for (int i = 0; i < messages.count(); ++i)
    made.given.messages.push_back(
        {between[i], static_cast<double>(p.bytes_of(messages[i].tensor, messages[i].is_gradient, costs.batch))});
  detail::add_parameters(p, table, made.ranks, made.given);

  const task_positions positions(table);
  const message_timetable times =
      message_times(table, nominal_clock(table, made.given.units), between, made.given.receives);
  std::vector<std::vector<laid_out_stage>> laid_out(table.rows.size());
  for (int s = 0; s < table.stages; ++s) {
    std::vector<const plan*> of_microbatch;
    for (int m = 0; m < table.microbatches; ++m) of_microbatch.push_back(&plans[static_cast<std::size_t>(s)].of(m));
    laid_out[static_cast<std::size_t>(positions.rank_of(s))].push_back({s, std::move(of_microbatch)});
  }
  for (int rank = 0; rank < table.ranks(); ++rank)
    made.ranks[static_cast<std::size_t>(rank)].activations =
        rank_layout(table, rank, positions, messages, times, laid_out[static_cast<std::size_t>(rank)]).bytes();
  made.step = simulate(table, made.given);
  return made;
}

}  // namespace remat
