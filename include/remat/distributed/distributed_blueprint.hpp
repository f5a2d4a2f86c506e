// SPDX-License-Identifier: MIT
/// A blueprint: what all ranks of a job find alike before any of them allocates, and refuse together where it cannot
/// be.
#pragma once

#include <remat/distributed/agreement.hpp>
#include <remat/distributed/blueprint_hashes.hpp>
#include <remat/distributed/call_agreement.hpp>
#include <remat/distributed/distributed_options.hpp>
#include <remat/partition/pipeline_messages.hpp>
#include <remat/partition/stage_log.hpp>
#include <remat/plan/fuse.hpp>
#include <remat/run/compute_option.hpp>
#include <remat/run/network_checks.hpp>
#include <remat/run/transfer_rate.hpp>
#include <remat/schedule/in_flight.hpp>
#include <remat/schedule/schedule.hpp>
#include <remat/schedule/schedule_rules.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <iostream>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace remat {

struct distributed_blueprint {
  program checkpointed, plain;  ///< fused, in stages; with checkpoints and without
  plan_terms terms = {};
  rank_grid grid;
  schedule_table schedule;
  core::list<ignored_checkpoint> ignored = {};
  int rank = 0;          ///< of MPI's world
  int model = 0;         ///< the number of the model in its session
  std::string log = {};  ///< on rank 0: where the modules are, which checkpoints are divided, what stages cost and hold
  bool replicas_have_their_own = false;  ///< batches: see inputs_from::each_replica

  int partition() const { return grid.partition(rank); }
  int replica() const { return grid.replica(rank); }
  /// The rank of a pipeline that runs a stage.
  int rank_of(int stage) const { return schedule.rank_of(stage); }
  bool runs(const operation& o) const { return rank_of(o.stage) == partition(); }
  /// Whether this rank is given batches.
  bool has_data() const { return !checkpointed.inputs_enter_first || rank_of(0) == partition(); }
  /// Who is handed the same batches. Ranks compare them where another one is handed the same.
  call_groups groups(bool compares) const {
    const int alike = replicas_have_their_own           ? grid.partitions()
                      : checkpointed.inputs_enter_first ? grid.replicas()
                                                        : grid.size();
    return {.groups = replicas_have_their_own ? grid.replicas() : 1,
            .mine = replicas_have_their_own ? replica() : 0,
            .replicas = grid.replicas(),
            .places = grid.partitions(),
            .place = partition(),
            .compares_batches = compares && alike > 1};
  }
  /// The rank of a pipeline that holds each parameter slot of the program, and each state slot.
  std::vector<int> ranks_of_parameters() const {
    return ranks_of_slots(checkpointed.parameters.size(), &operation::first_parameter, &operation::parameters);
  }
  std::vector<int> ranks_of_states() const {
    return ranks_of_slots(checkpointed.states.size(), &operation::first_state, &operation::states);
  }

 private:
  std::vector<int> ranks_of_slots(std::size_t slots, int operation::*first, int operation::*count) const {
    std::vector<int> ranks(slots, core::none);
    for (const operation& o : checkpointed.operations)
      for (int k = 0; k < o.*count; ++k) ranks[static_cast<std::size_t>(o.*first + k)] = rank_of(o.stage);
    return ranks;
  }
};

namespace detail {

/// A stage that a budget is too small for keeps everything: another cut is better.
inline plan plan_of_candidate(const program& p, const plan_request& request) {
  const training_planner planner(p, request);
  if (has_budget(p, request))
    if (std::optional<plan> found = budget_search(planner, p, request).find()) return std::move(*found);
  return planner.make();
}

/// Activations, weights and gradients of the operations [first, last) as a stage of this schedule.
inline double bytes_as_stage(program p, int first, int last, int stage, std::size_t batch,
                             const passes_in_flight& in_flight, const plan_terms& terms) {
  for (int i = 0; i < p.operations.count(); ++i)
    p.operations[i].stage = i < first ? stage - 1 : i < last ? stage : stage + 1;
  for (module_node& n : p.nodes) n.stage = stages_of(p, static_cast<int>(&n - p.nodes.data())).first;
  const auto most_between = [&](int from, int to) {
    return std::max(1, in_flight(stage, pass_of_section(from), pass_of_section(to)));
  };
  slice covered = slice_of_stage(p, stage, most_between(forward_section, backward_section));
  covered.splits = most_between(forward_section, parameters_section) > 1;
  covered.halves_backward = in_flight(stage, pass_kind::backward_input, pass_kind::backward_parameters) > 0;
  const plan made = plan_of_candidate(p, terms.request(batch, covered));
  double bytes = 0;
  for (const plan_region& each : made.regions)
    if (each.port == core::none)
      bytes += static_cast<double>(each.bytes) * (each.is_passing ? 1
                                                  : each.tasks_ahead > 0
                                                      ? std::min(each.tasks_ahead, covered.in_flight - 1) + 1
                                                      : most_between(each.first_section, each.last_section));
  for (const stage_port& each : made.ports)
    bytes += static_cast<double>(p.bytes_of(each.tensor, each.is_gradient, batch)) *
             (each.is_gradient ? 1 : covered.in_flight);
  for (int i = first; i < last; ++i)
    for (int k = 0; k < p.operations[i].parameters; ++k)
      bytes += (p.operations[i].trains() ? 2.0 : 1.0) * sizeof(float) *
               static_cast<double>(p.parameters[p.operations[i].first_parameter + k].declared.elements());
  return bytes;
}

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
  if (!trains) made.schedule = forward_only_like(made.schedule, made.schedule.microbatches);
  check_tasks(made.schedule, trains);
  const passes_in_flight in_flight(made.schedule);
  assign_stages(p, how,
                {.stages = made.schedule.stages,
                 .ranks = partitions,
                 .batch = options.partition_batch,
                 .bytes =
                     [&](int first, int last, int stage) {
                       return bytes_as_stage(p, first, last, stage, options.partition_batch, in_flight, made.terms);
                     },
                 .terms = made.terms});
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
