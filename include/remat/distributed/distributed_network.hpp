// SPDX-License-Identifier: MIT
/// A distributed network: a program whose stages run on the ranks of a job. What `distributed_model` is behind its
/// type.
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

#include <remat/distributed/call_agreement.hpp>
#include <remat/distributed/data_hash.hpp>
#include <remat/distributed/distributed_blueprint.hpp>
#include <remat/distributed/distributed_evaluation.hpp>
#include <remat/distributed/distributed_options.hpp>
#include <remat/distributed/distributed_prediction.hpp>
#include <remat/distributed/distributed_tensors.hpp>
#include <remat/distributed/distributed_training.hpp>
#include <remat/distributed/model_ranks.hpp>
#include <remat/distributed/optimizer_shards.hpp>
#include <remat/distributed/pipeline_cache.hpp>
#include <remat/distributed/rank_report.hpp>
#include <remat/distributed/session.hpp>
#include <remat/distributed/split_agreement.hpp>
#include <remat/partition/simulated_program.hpp>
#include <remat/plan/checked_batch.hpp>
#include <remat/run/evaluated_batch.hpp>
#include <remat/run/internals.hpp>
#include <remat/run/memory_report.hpp>
#include <remat/run/network_checks.hpp>
#include <remat/run/parameter_updater.hpp>
#include <remat/run/source.hpp>
#include <remat/run/trainable.hpp>
#include <remat/run/updates_of_step.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

namespace remat {

class distributed_network : public trainable {
 public:
  /// Throws `collective_error` on all ranks where the model cannot be built as asked for, or differs between ranks.
  distributed_network(const mpi::session& session, program lowered, const distributed_options& options)
      : distributed_network(session, agree_on_blueprint(session, std::move(lowered), options), options) {}
  distributed_network(const distributed_network&) = delete;
  distributed_network& operator=(const distributed_network&) = delete;

  // --- where this rank is -----------------------------------------------------------------------------------------

  int rank() const { return blueprint_.rank; }
  int size() const { return blueprint_.grid.size(); }
  int partition() const { return blueprint_.partition(); }  ///< in its pipeline
  int partitions() const { return blueprint_.grid.partitions(); }
  int replica() const { return blueprint_.replica(); }  ///< its replica
  int replicas() const { return blueprint_.grid.replicas(); }
  const rank_grid& grid() const { return blueprint_.grid; }
  const schedule_table& schedule() const { return blueprint_.schedule; }
  /// The fused program; each operation has its stage.
  const program& lowered() const override { return blueprint_.checked; }
  std::size_t microbatches() const { return static_cast<std::size_t>(blueprint_.schedule.microbatches); }
  /// Checkpoints that the partition cuts through and that cannot be divided.
  const core::list<ignored_checkpoint>& ignored() const { return blueprint_.ignored; }
  /// Children of checkpointed sequentials that the partition cuts through and that are checkpointed in parts, one on
  /// each stage.
  core::list<split_checkpoint> split() const { return split_checkpoints(blueprint_.checked); }

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
  /// the factor on its learning rate. A parameter is updated in the last micro-batch's backward pass of its stage, or in
  /// that of the parameters where the schedule has such; with replicas, when the sum of its gradient has ended as well;
  /// one that is in several places, when these are summed. The block of gradients stays, and there are none to read.
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
    if (updater.needs_all_gradients()) {
      const float loss = train(sources, nullptr, gradient_need::all_at_once);
      updater.step(*this, learning_rate_factor);
      return loss;
    }
    updater.begin(*this, learning_rate_factor);  // ranks compare its settings before they train
    return train(sources, &updater);
  }

  /// Outputs for one batch, on every rank, as one process gives them. The replicas share the batch where it splits, and
  /// each stage's part of it is cut into as many micro-batches as divide it, up to `microbatches()`.
  template <class... Tensors>
  std::span<const float> predict(const Tensors&... tensors) {
    return predict_on(std::array<tensor_source, sizeof...(Tensors)>{source_of(tensors)...});
  }

  std::span<const float> predict_on(std::span<const tensor_source> sources) {
    const program& p = blueprint_.checked;
    const std::size_t batch =
        calls_.meet_with_batch(call_kind::prediction, p, sources, p.inputs - p.targets, blueprint_.has_data(),
                               [&](std::size_t) { require_float_outputs(p); });
    const thread_scope scope(threads_);
    guarded([&] {
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
    detail::begin_metric(metric, blueprint_.checked, *parameters_, partitions() == 1);
    distributed_evaluation<Metric> evaluation(blueprint_, ranks_, calls_, std::move(metric));
    for (auto&& batch : batches)
      detail::with_batch_parts(
          batch, [&](const auto& targets, const auto&... inputs) { evaluation.add(predict(inputs...), targets); });
    return evaluation.value();
  }
  const tensor_shape& output_shape() const { return blueprint_.checked.tensors[blueprint_.checked.outputs[0]]; }

  // --- what optimizers and clipping ask -----------------------------------------------------------------------------

  double sum_over_parameters(std::span<const double> numbers) override {
    calls_.meet(call_kind::sum);
    everyones_.assign(blueprint_.checked.parameters.size(), 0);
    for (std::size_t i = 0; i < numbers.size(); ++i)
      everyones_[store().slots()[i]] = std::bit_cast<std::uint64_t>(numbers[i]);
    all().wait(ranks_.pipeline.largest(everyones_));
    double sum = 0;
    for (const std::uint64_t each : everyones_) sum += std::bit_cast<double>(each);
    return sum;
  }
  std::pair<std::size_t, std::size_t> updated_here(std::size_t i) const override { return shards_.here(i); }
  void before_update(std::span<const double> settings) override { calls_.remember(settings); }
  /// Where the optimizer's numbers are shared out over replicas, each has updated its shard: now all have all.
  void after_update() override {
    if (!shards_.are_apart()) return;
    calls_.meet(call_kind::update);
    shards_.gather(all());
  }

  // --- what files of weights and snapshots ask: `weights`, `tensors` ------------------------------------------------

  const tensor_ranks& ranks_of_tensors() const override { return tensors_; }

  // --- reports ------------------------------------------------------------------------------------------------------

  /// What each stage of this rank does, keeps, takes and gives in a training step of a micro-batch of this size.
  rank_report plan(std::size_t microbatch) const {
    checked_batch(blueprint_.checked, microbatch);
    const thread_scope scope(threads_);  // kernels are made for a number of threads
    return report(blueprint_.checked, pipelines_.planned(microbatch), partition());
  }
  /// What a step takes where the operations cost this much and the ranks are connected like this.
  simulated_program simulate(const operation_costs& costs, pipeline_costs how = {}) const {
    how.replicas = replicas();
    how.overlapped_all_reduce = training_.overlaps();
    how.early_recompute = recomputes_early_;
    return remat::simulate(blueprint_.checked, blueprint_.schedule, costs, std::move(how), blueprint_.terms);
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
            .results = prediction_.bytes() + training_.counting_bytes(),
            .resident = resident_bytes(),
            .gradients_needed_for = parameters_->gradient_memory().needed_for()};
  }
  const regions& reserved() const { return pipelines_.reserved(); }
  /// When this rank did what in the last training step.
  const pipeline_trace& trace() const { return training_.trace(); }

  /// What every rank gives, on all of them, in the order of ranks: `model.of_all_ranks(seconds)`. Plain numbers, or a
  /// struct of them.
  template <class T>
    requires std::is_trivially_copyable_v<T>
  std::vector<T> of_all_ranks(const T& mine) const {
    calls_.meet(call_kind::gathering);
    return calls_.all().gather(mine);
  }

 private:
  friend struct remat::internals;

  /// The pipeline of the last training step.
  const pipeline& last_pipeline() const { return training_.last_pipeline(); }

  /// How a training step splits this batch, which all ranks accept.
  batch_split agree_on_split(call_kind kind, std::span<const tensor_source> sources) const {
    return remat::agree_on_split(calls_, blueprint_, kind, sources);
  }
  /// The pipeline of a batch, and one step of it as given: for those who measure or audit it.
  pipeline& training(const batch_split& split, bool updates = false) {
    return training_.line_for(pipelines_, split, updates);
  }
  float run_training(std::span<const tensor_source> sources, const batch_split& split) {
    float loss = 0;
    parameters_->making_gradients([&] { loss = run(sources, split, nullptr); });
    return loss;
  }
  const mpi::communicator& world() const { return ranks_.world; }
  const agreement& all() const { return calls_.all(); }
  const call_agreement& calls() const { return calls_; }
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
      : trainable(options.seed, threads_of(session, options.threads),
                  std::make_unique<parameter_store>(
                      drawn.checked, options.seed,
                      slots_of_operations(drawn.checked, [&](const operation& o) { return drawn.runs(o); }))),
        blueprint_(std::move(drawn)),
        ranks_(session, blueprint_, threads_),
        calls_(session, blueprint_.model, ranks_.waiting, threads_, blueprint_.groups(options.compares_batches)),
        recomputes_early_(options.recomputes_early),
        shards_(options.shards_optimizer, blueprint_, *parameters_, ranks_.replicas),
        tensors_(blueprint_, ranks_.world, calls_, shards_),
        pipelines_({.checked = &blueprint_.checked,
                    .unchecked = &blueprint_.unchecked,
                    .terms = blueprint_.terms,
                    .parameters = parameters_.get(),
                    .table = blueprint_.schedule,
                    .rank = partition(),
                    .ranks = &ranks_.tensors,
                    .waiting = ranks_.waiting,
                    .is_training = blueprint_.checked.loss != core::none,
                    .checkpoints = options.checkpointing,
                    .recomputes_early = options.recomputes_early,
                    .packing = options.packing},
                   threads_, options.max_plans),
        training_(blueprint_, options, *parameters_, ranks_, calls_.all()),
        prediction_(blueprint_, ranks_, calls_.all(), pipelines_) {}

  static int threads_of(const mpi::session& session, int wanted) {
    if (wanted != 0) return checked_threads(wanted);
    return std::max(1, std::min(thread_count(), session.this_host().cores / session.this_host().ranks));
  }

  /// With updates where there is an updater that has begun.
  float train(std::span<const tensor_source> sources, parameter_updater* updater,
              gradient_need need = gradient_need::steps_apart) {
    const batch_split split =
        remat::agree_on_split(calls_, blueprint_, call_kind::training, sources, compared_parameters());
    const thread_scope scope(threads_);
    float loss = 0;
    kept_gradients& kept = parameters_->gradient_memory();
    kept.provide(updater == nullptr ? need : microbatches() > 1 ? gradient_need::microbatches : gradient_need::stages);
    if (updater == nullptr) {
      loss = guarded([&] { return run_training(sources, split); });
    } else {
      parameters_->using_up_gradients([&] {
        updates_of_step updates(*this, *updater);
        loss = guarded([&] { return run(sources, split, &updates); });
        updater->finish(*this);
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

  template <class Step>
  static std::invoke_result_t<Step> guarded(const Step& step) {
    try {
      return step();
    } catch (const std::exception& e) {
      mpi::session::fail(e.what());
    }
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

  distributed_blueprint blueprint_;
  model_ranks ranks_;
  call_agreement calls_;
  bool recomputes_early_;
  optimizer_shards shards_;
  distributed_tensors tensors_;
  pipeline_cache pipelines_;
  distributed_training training_;
  distributed_prediction prediction_;
  bool states_differ_ = false;  // between replicas, since a training step
  std::vector<std::uint64_t> everyones_;
};

}  // namespace remat
