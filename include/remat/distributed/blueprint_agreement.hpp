// SPDX-License-Identifier: MIT
/// How the ranks of a job come to one blueprint: each of them draws it, and they refuse together what cannot be, or
/// differs between them.
#pragma once

#include <remat/core/error.hpp>
#include <remat/distributed/agreement.hpp>
#include <remat/distributed/blueprint_hashes.hpp>
#include <remat/distributed/call_agreement.hpp>
#include <remat/distributed/distributed_blueprint.hpp>
#include <remat/distributed/distributed_options.hpp>
#include <remat/distributed/session.hpp>
#include <remat/partition/candidate_stage.hpp>
#include <remat/partition/partition_log.hpp>
#include <remat/partition/partition_setting.hpp>
#include <remat/partition/pipeline_messages.hpp>
#include <remat/partition/stage_log.hpp>
#include <remat/partition/stage_policies.hpp>
#include <remat/plan/annotate.hpp>
#include <remat/plan/budget_bytes.hpp>
#include <remat/plan/budget_limits.hpp>
#include <remat/plan/counted_costs.hpp>
#include <remat/plan/divided_checkpoints.hpp>
#include <remat/plan/fuse.hpp>
#include <remat/plan/segment_boundaries.hpp>
#include <remat/run/compute_option.hpp>
#include <remat/run/network_checks.hpp>
#include <remat/run/transfer_rate.hpp>
#include <remat/schedule/in_flight.hpp>
#include <remat/schedule/schedule.hpp>
#include <remat/schedule/schedule_rules.hpp>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <iostream>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace remat {

namespace detail {

/// Another partition takes the place of the numbers in the type.
inline void forget_stages(program& p) {
  for (operation& o : p.operations) o.stage = 0;
  for (module_node& n : p.nodes) n.stage = 0;
}

inline void require_whole_states(const program& p, const distributed_blueprint& made) {
  const std::vector<int> rank_of_slot = made.ranks_of_states();
  for (int i = 0; i < p.states.count(); ++i)
    if (rank_of_slot[static_cast<std::size_t>(i)] != rank_of_slot[static_cast<std::size_t>(p.states[i].owner)])
      throw error("the state '" + parameter_path(p, p.states[i]) + "' is shared with '" +
                  parameter_path(p, p.states[p.states[i].owner]) +
                  "' on another rank; put modules that share a state on one rank");
}

inline std::string log_of(const distributed_blueprint& made, const partition::setting& how, std::size_t batch) {
  const program& p = made.checkpointed;
  const operation_costs costs = how.costs ? *how.costs : made.terms.costs ? *made.terms.costs : counted_costs(p, batch);
  const std::string where = partition_log(p) + checkpoint_log(p);
  try {
    return where + stage_log(summarize_stages(p, made.schedule, batch, costs, made.terms), batch);
  } catch (const budget_error& e) {  // of micro-batches of this size; a step refuses those that it is given
    return where + "what stages cost and hold is left out: " + e.what() + " (partition_batch says of how many)\n";
  }
}

inline distributed_blueprint draw_blueprint(const mpi::session& session, program lowered,
                                            const distributed_options& options) {
  if (lowered.operations.empty()) throw error("a model needs at least one module that computes something");
  if (options.microbatches < 1 || options.microbatches > 1'000'000)
    throw error("a batch is trained in 1 to 1,000,000 micro-batches; this model asks for " +
                std::to_string(options.microbatches));
  checked_threads(options.threads);
  if (options.max_plans < 1) throw error("a model keeps the plan of at least one batch size; max_plans is at least 1");
  if (options.partition_batch < 1) throw error("partition_batch, the samples of a micro-batch, is at least 1");
  if (options.partitions < 0) throw error("a pipeline has at least one rank; partitions = 0 takes all of the job's");
  const int partitions = options.partitions == 0 ? session.size() : options.partitions;
  if (session.size() < partitions)
    throw error("this model asks for " + std::to_string(partitions) + " partitions, and the job has " +
                std::to_string(session.size()) + (session.size() == 1 ? " rank" : " ranks") +
                "; start it with mpiexec -n " + std::to_string(partitions));
  if (const auto stages = options.schedule.stages(partitions); stages > lowered.operations.count())
    throw error("the model has " + std::to_string(lowered.operations.count()) + " operations, and " +
                std::to_string(stages) + " stages are asked for; a stage needs at least one");
  require_unique_paths(lowered);
  const bool is_in_type = lowered.operations.back().stage > 0;
  const partition::setting how = options.partition ? *options.partition
                                 : is_in_type      ? partition::in_type
                                                   : partition::setting(partition::balanced);
  if (how.name != partition::in_type.name) forget_stages(lowered);
  annotate(lowered, options.checkpoints);
  require_boundaries(lowered);
  freeze(lowered, options.frozen);
  keep_states(lowered, options.running_statistics);
  compute_with(lowered, options.compute);
  lowered.inputs_enter_first = options.inputs == inputs_from::first_stage;
  distributed_blueprint made{fuse(std::move(lowered)),
                             {},
                             {},
                             rank_grid(options.rank_map, session.size(), partitions),
                             options.schedule.table(partitions, static_cast<int>(options.microbatches)),
                             {},
                             session.rank()};
  made.replicas_have_their_own = options.inputs == inputs_from::each_replica;
  program& p = made.checkpointed;
  require_backward(p);
  if (session.size() > 1) require_stated_rates(p);
  made.terms = make_terms(p, options.costs, options.activation_bytes, rate_for_budgets(p, options.offload_directory));
  made.terms.recomputes_in_bubbles =
      options.recomputes_in_bubbles && options.recomputes_early && options.checkpointing == checkpointing::always;
  const bool trains = p.loss != core::none;
  check_tasks(made.schedule, trains || goes_back(made.schedule));
  if (!trains) made.schedule = forward_only_like(made.schedule, made.schedule.microbatches);
  const passes_in_flight in_flight(made.schedule);
  const auto bytes_of_stages = [&](candidate_bytes found) {
    return [&, found](int first, int last, int stage) {
      return bytes_as_stage(p, first, last, stage, options.partition_batch, in_flight, made.terms, found);
    };
  };
  partition::request asked{.stages = made.schedule.stages,
                           .ranks = partitions,
                           .batch = options.partition_batch,
                           .bytes = bytes_of_stages(candidate_bytes::planned),
                           .terms = made.terms};
  if (has_budget(p)) asked.estimated_bytes = bytes_of_stages(candidate_bytes::estimated);
  assign_stages(p, how, asked);
  set_stage_policies(p, options.stage_policies);
  made.ignored = ignored_checkpoints(p);
  for (int s = 0; s < made.schedule.stages; ++s) {  // each budget has a number of bytes
    const plan_request request = made.terms.request(1, slice_of_stage(p, s));
    if (has_budget(p, request)) (void)limits_of(p, request, 0);
  }
  check_schedule(made.schedule,
                 {.is_training = trains, .messages = between_stages(messages_of(p, made.schedule.stages, trains))});
  require_whole_states(p, made);
  made.plain = p;
  for (module_node& n : made.plain.nodes) n.checkpoints.clear();
  if (session.rank() == 0 && options.logs_partition) made.log = log_of(made, how, options.partition_batch);
  return made;
}

}  // namespace detail

/// Draws it on every rank of the job and compares. Throws `collective_error` on all of them, with one message, where
/// one of them cannot or two of them differ.
inline distributed_blueprint agree_on_blueprint(const mpi::session& session, program lowered,
                                                const distributed_options& options) {
  const int model = session.count_model();
  const call_agreement calls(session, model, session.how_to_wait());
  const agreement& all = calls.all();
  calls.meet(call_kind::construction);
  std::optional<distributed_blueprint> made;
  std::string complaint;
  try {
    made = detail::draw_blueprint(session, std::move(lowered), options);
    made->model = model;
  } catch (const std::exception& e) {
    complaint = e.what();
  }
  all.require_none(complaint);
  const auto same = [&](std::uint64_t hash, const std::string& what) {
    all.require_same("", hash, what + " of a distributed model must be the same on all ranks");
  };
  same(detail::hash_of_program(made->checkpointed), "the modules");
  same(detail::hash_of_instructions(made->checkpointed),
       "whether bfloat16 is multiplied as float32 (docs/bfloat16.md, On which CPUs) in the layers");
  same(detail::hash_of_frozen(made->checkpointed), "the frozen modules, and those with running statistics,");
  same(detail::hash_of_grid(made->grid), "the rank map and the number of partitions");
  same(detail::hash_of_schedule(made->schedule), "the schedule and the number of micro-batches");
  same(detail::hash_of_partition(made->checkpointed), "the partition");
  same(detail::hash_of_checkpoints(made->checkpointed), "the checkpoints");
  same(detail::hash_of_options(options), "seed, all-reduce, inputs and other options");
  if (session.rank() == 0) {
    warn_of_skipped_checkpoints(made->checkpointed, made->ignored);
    if (options.logs_partition) std::clog << made->log << std::flush;
  }
  return std::move(*made);
}

}  // namespace remat
