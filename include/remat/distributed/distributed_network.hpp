// SPDX-License-Identifier: MIT
/// A distributed network: a program whose stages run on the ranks of a job. What `distributed_model` is without its
/// type. Where its ranks and parameters are is in network_on_ranks.hpp.
///
/// Every rank makes the same calls with the same batches, as one process would, and ranks compare a hash of what they
/// are handed; or each replica brings its share of a batch. A batch is split as evenly as possible into the
/// micro-batches of all replicas, the larger ones first; micro-batch k of replica r is number r * microbatches + k of
/// the whole batch. The loss is the mean over what counts in the whole batch. One replica gives the bits of one process
/// at the same number of micro-batches; several give the same bits under every pipeline, schedule and policy, and add
/// their gradients up as MPI does.
///
/// What a call refuses, it refuses on all ranks, before anything runs. An error within a step, such as a kernel's, ends
/// the job, since the other ranks wait for this one.
#pragma once

#include <remat/distributed/blueprint_agreement.hpp>
#include <remat/distributed/call_agreement.hpp>
#include <remat/distributed/data_hash.hpp>
#include <remat/distributed/distributed_evaluation.hpp>
#include <remat/distributed/distributed_options.hpp>
#include <remat/distributed/distributed_prediction.hpp>
#include <remat/distributed/distributed_training.hpp>
#include <remat/distributed/network_on_ranks.hpp>
#include <remat/distributed/pipeline_cache.hpp>
#include <remat/distributed/plan_agreement.hpp>
#include <remat/distributed/rank_report.hpp>
#include <remat/distributed/session.hpp>
#include <remat/distributed/split_agreement.hpp>
#include <remat/partition/simulated_program.hpp>
#include <remat/plan/budget_bytes.hpp>
#include <remat/plan/checked_batch.hpp>
#include <remat/plan/table_bytes.hpp>
#include <remat/run/evaluated_batch.hpp>
#include <remat/run/internals.hpp>
#include <remat/run/memory_report.hpp>
#include <remat/run/network_checks.hpp>
#include <remat/run/parameter_updater.hpp>
#include <remat/run/source.hpp>
#include <remat/run/updates_of_step.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <utility>

namespace remat {

class distributed_network : public network_on_ranks {
 public:
  /// Throws `collective_error` on all ranks where the model cannot be built as asked for, or differs between ranks.
  distributed_network(const mpi::session& session, program lowered, const distributed_options& options)
      : distributed_network(session, agree_on_blueprint(session, std::move(lowered), options), options) {}

  // --- training -----------------------------------------------------------------------------------------------------

  /// Forward, loss and backward on one batch: inputs first, then targets, at least one sample for each micro-batch of
  /// all replicas. Returns the loss on every rank, the mean over what counts in the whole batch; gradients are then in
  /// `parameters()`, which are those of this rank's stages. Where it is refused, optimizers and clipping refuse to step
  /// on all ranks until a step succeeds.
  template <class... Tensors>
    requires(!detail::EndsWithUpdater<Tensors...>)
  float train_step(const Tensors&... tensors) {
    parameters_->drop_gradients();  // whatever is thrown from here on
    return train_on(std::array<tensor_source, sizeof...(Tensors)>{source_of(tensors)...});
  }

  /// The same with an optimizer's step, as in one process (network.hpp): `train_step(images, labels, optimizer)`, and
  /// the factor on its learning rate. A parameter is updated in the last micro-batch's backward pass of its stage, or
  /// in that of the parameters where the schedule has such; with replicas, when the sum of its gradient has ended as
  /// well; one that is in several places, when these are summed. The block of gradients stays, and there are none to
  /// read.
  template <class... Arguments>
    requires detail::EndsWithUpdater<Arguments...>
  float train_step(Arguments&&... arguments) {
    return detail::with_updater(
        [&](parameter_updater& updater, double factor, const auto&... tensors) {
          parameters_->drop_gradients();  // whatever is thrown from here on
          return train_on(std::array<tensor_source, sizeof...(tensors)>{source_of(tensors)...}, updater, factor);
        },
        arguments...);
  }

  float train_on(std::span<const tensor_source> sources) {
    parameters_->drop_gradients();
    return train(sources, nullptr);
  }
  float train_on(std::span<const tensor_source> sources, parameter_updater& updater, double learning_rate_factor = 1) {
    parameters_->drop_gradients();
    const fingerprint before = calls_.remembered();
    updater.begin(*this, learning_rate_factor);  // it refuses before anything has changed; ranks compare its settings
    if (!updater.needs_all_gradients()) return train(sources, &updater, gradient_need::stages, 0, &before);
    const float loss = train(sources, nullptr, gradient_need::all_at_once, updater.bytes_for(*this), &before);
    mpi::session::with_memory([&] { updater.step(*this, learning_rate_factor); });
    return loss;
  }

  /// Outputs for one batch, on every rank, as one process gives them. The replicas share the batch where it splits, and
  /// each replica's part of it is cut into as many micro-batches as divide it, up to `microbatches()`.
  template <class... Tensors>
  std::span<const float> predict(const Tensors&... tensors) {
    return predict_on(std::array<tensor_source, sizeof...(Tensors)>{source_of(tensors)...});
  }

  std::span<const float> predict_on(std::span<const tensor_source> sources) {
    const program& p = blueprint_.checkpointed;
    const std::size_t batch = calls_.meet_with_batch(call_kind::prediction, p, sources, p.inputs - p.targets,
                                                     blueprint_.has_data(), [&](std::size_t samples) {
                                                       require_float_outputs(p);
                                                       checked_batch(p, prediction_.cut_of(samples).samples);
                                                     });
    const thread_scope scope(threads_);
    plans_.require(calls_.all(), plan_agreement::what::prediction, {batch}, [&] { prediction_.line_for(batch); });
    mpi::session::guarded([&] {
      share_states();
      prediction_.run(given(sources), batch, seed_, steps_);
    });
    return output(0);
  }

  /// Output i of the last `predict`.
  std::span<const float> output(std::size_t i) const { return prediction_.output(i); }

  /// Runs `predict` on every batch of a range of (inputs..., targets) and returns what the metric makes of it, on all
  /// ranks. Ranks that are given no data take part with as many batches of nothing. Where replicas bring batches of
  /// their own, as many on each, metrics are merged over the replicas (distributed_evaluation.hpp). What the metric
  /// refuses on one rank is thrown on all of them after the last batch.
  template <class Batches, class Metric>
  auto evaluate(Batches&& batches, Metric metric) {
    const thread_scope scope(threads_);
    loss_on_ranks loss(blueprint_, *parameters_, ranks_, all());
    if constexpr (detail::AsksForModel<Metric>) {
      if (loss.has_tensors()) calls_.meet(call_kind::evaluation);
      detail::begin_metric(metric, blueprint_.checkpointed, loss.share());
    }
    distributed_evaluation<Metric> evaluation(blueprint_, ranks_, calls_, std::move(metric));
    detail::for_each_batch(
        batches, [&](const auto& targets, const auto&... inputs) { evaluation.add(predict(inputs...), targets); });
    return evaluation.value();
  }

  // --- reports ------------------------------------------------------------------------------------------------------

  /// What each stage of this rank does, keeps, takes and gives in a training step of a micro-batch of this size.
  rank_report plan(std::size_t microbatch) const {
    checked_batch(blueprint_.checkpointed, microbatch);
    const thread_scope scope(threads_);  // kernels are made for a number of threads
    return report(blueprint_.checkpointed, pipelines_.planned(microbatch), partition());
  }
  /// What a step takes where the operations cost this much and the ranks are connected like this.
  simulated_program simulate(const operation_costs& costs, pipeline_costs how = {}) const {
    how.replicas = replicas();
    how.overlapped_all_reduce = training_.overlaps();
    how.early_recompute = recomputes_early_;
    const thread_scope scope(threads_);  // kernels are made for a number of threads
    const arena_with_kernels arena = pipelines_.arena_of_steps();
    return remat::simulate(blueprint_.checkpointed, blueprint_.schedule, costs, std::move(how), blueprint_.terms,
                           &arena);
  }
  /// Where memory goes on this rank, that of the optimizers that are named included: `model.memory(optimizer)`.
  template <class... Optimizers>
  memory_report memory(const Optimizers&... optimizers) const {
    return {.weights = parameters_->value_block().size(),
            .gradients = parameters_->gradient_memory().held_bytes() + training_.staging_bytes(),
            .states = parameters_->state_block().size(),
            .optimizer = (std::size_t{0} + ... + optimizers.bytes()),
            .activations = reserved().activations,
            .packed = reserved().packed,
            .scratch = reserved().scratch,
            .tables = table_bytes(blueprint_.checkpointed, [this](const operation& o) { return blueprint_.runs(o); }),
            .results = prediction_.bytes() + training_.counting_bytes(),
            .resident = resident_bytes(),
            .gradients_needed_for = parameters_->gradient_memory().needed_for()};
  }
  const regions& reserved() const { return pipelines_.reserved(); }
  /// When this rank did what in the last training step.
  const pipeline_trace& trace() const { return training_.trace(); }

 private:
  friend struct remat::internals;

  /// The pipeline of the last training step.
  const pipeline& last_pipeline() const { return pipelines_.kept(); }

  /// How a training step splits this batch, which all ranks accept.
  batch_split agree_on_split(call_kind kind, std::span<const tensor_source> sources) const {
    return remat::agree_on_split(calls_, blueprint_, kind, sources);
  }
  /// The pipeline of a batch, and one step of it as given: for those who measure or audit it.
  pipeline& training(const batch_split& split, bool updates = false) {
    return training_.line_for(pipelines_, split, updates);
  }
  /// Throws on all ranks where one has no plan of a step on such a batch.
  void require_plan(const batch_split& split, bool updates = false) {
    using what = plan_agreement::what;
    plans_.require(calls_.all(), updates ? what::updating_step : what::step, split, [&] { training(split, updates); });
  }
  float run_training(std::span<const tensor_source> sources, const batch_split& split) {
    float loss = 0;
    parameters_->making_gradients([&] { loss = mpi::session::guarded([&] { return run(sources, split, nullptr); }); });
    return loss;
  }
  /// Gives a pipeline its place in this model's arena (back).
  void bind(pipeline& line) { pipelines_.bind(line); }
  /// Gives every replica the states of replica 0, as it is when replicas predict: their own, of training on their share
  /// of the batches, are lost.
  void share_states() {
    if (replicas() == 1 || !std::exchange(states_differ_, false)) return;
    mpi::in_pieces(parameters_->state_block(),
                   [&](std::span<std::byte> piece) { all().wait(ranks_.replicas.broadcast(piece, 0)); });
  }

  distributed_network(const mpi::session& session, distributed_blueprint drawn, const distributed_options& options)
      : network_on_ranks(session, std::move(drawn), options),
        recomputes_early_(options.recomputes_early),
        pipelines_({.checkpointed = &blueprint_.checkpointed,
                    .plain = &blueprint_.plain,
                    .terms = blueprint_.terms,
                    .parameters = parameters_.get(),
                    .table = blueprint_.schedule,
                    .rank = partition(),
                    .ranks = &ranks_.tensors,
                    .waiting = ranks_.waiting,
                    .is_training = blueprint_.checkpointed.loss != core::none,
                    .checkpoints = options.checkpointing,
                    .recomputes_early = options.recomputes_early,
                    .packing = options.packing,
                    .other_bytes = std::min(options.other_bytes, detail::most_bytes),
                    .spaces = std::make_shared<storage_spaces>(options.offload_directory)},
                   threads_, options.max_plans),
        training_(blueprint_, options, *parameters_, ranks_, calls_.all()),
        prediction_(blueprint_, ranks_, calls_.all(), pipelines_),
        plans_(blueprint_.checkpointed, blueprint_.replicas_have_their_own) {}

  /// With updates where there is an updater that has begun.
  float train(std::span<const tensor_source> sources, parameter_updater* updater,
              gradient_need need = gradient_need::steps_apart, std::size_t optimizer_bytes = 0,
              const fingerprint* before_updater = nullptr) {
    const batch_split split = agree_on_step(calls_, blueprint_, sources, compared_parameters(), before_updater);
    const thread_scope scope(threads_);
    float loss = 0;
    if (plans_.has_rank_budget()) {
      pipelines_.leave_room(training_.staging_bytes() + training_.counting_bytes_for(split) +
                            (updater != nullptr ? updater->bytes_for(*this) : optimizer_bytes));
    }
    require_plan(split, updater != nullptr);
    kept_gradients& kept = parameters_->gradient_memory();
    if (updater != nullptr) need = microbatches() > 1 ? gradient_need::microbatches : gradient_need::stages;
    mpi::session::guarded([&] { kept.provide(need); });
    if (updater == nullptr) {
      loss = run_training(sources, split);
    } else {
      parameters_->using_up_gradients([&] {
        updates_of_step updates(*this, *updater);
        loss = mpi::session::guarded([&] { return run(sources, split, &updates); });
        mpi::session::with_memory([&] { updater->finish(*this); });
      });
    }
    ++steps_;
    states_differ_ = true;
    return loss;
  }
  float run(std::span<const tensor_source> sources, const batch_split& split, gradient_receiver* updates) {
    pipeline& line = training(split, updates != nullptr);
    pipelines_.keep(line);  // `last_pipeline()`
    return training_.run(line, given(sources), split, seed_, steps_, updates);
  }

  /// Replicas compare what they train before steps 1, 2, 4, 8, ...: soon after it was changed on one of them alone, at
  /// next to no cost. Their states are their own between.
  std::optional<std::uint64_t> compared_parameters() const {
    if (replicas() == 1 || !std::has_single_bit(steps_ + 1)) return {};
    return hash_of(parameters(), states_differ_ ? std::span<const state_view>() : states());
  }

  /// What ranks that need no batch are given is not looked at.
  std::span<const tensor_source> given(std::span<const tensor_source> sources) const {
    return blueprint_.has_data() ? sources : std::span<const tensor_source>();
  }

  bool recomputes_early_;
  pipeline_cache pipelines_;
  distributed_training training_;
  distributed_prediction prediction_;
  plan_agreement plans_;
  bool states_differ_ = false;  // between replicas, since a training step
};

}  // namespace remat
