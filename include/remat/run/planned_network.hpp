// SPDX-License-Identifier: MIT
/// A network before it runs: its program, parameters and options, the plans of batch sizes, and what is reported of
/// them. network.hpp has what runs on it.
///
/// It keeps the plans of the batch sizes that it has met of late, `max_plans` of them in training and as many in
/// inference, and the arena of the largest that it has met (executor_cache.hpp). Meeting a new batch size allocates;
/// every later step with it allocates nothing while its plan is kept. `release_plans` gives plans and arena back.
/// (oneDNN keeps up to 1,024 primitives of its own in addition: nn/onednn_primitive.hpp.)
#pragma once

#include <remat/core/compilation.hpp>
#include <remat/core/error.hpp>
#include <remat/core/parallel.hpp>
#include <remat/plan/budget_bytes.hpp>
#include <remat/plan/checked_batch.hpp>
#include <remat/plan/failing_steps.hpp>
#include <remat/plan/report_text.hpp>
#include <remat/plan/table_bytes.hpp>
#include <remat/run/batch_split.hpp>
#include <remat/run/executor_cache.hpp>
#include <remat/run/internals.hpp>
#include <remat/run/memory_report.hpp>
#include <remat/run/microbatches.hpp>
#include <remat/run/model_options.hpp>
#include <remat/run/network_checks.hpp>
#include <remat/run/network_results.hpp>
#include <remat/run/parameter_store.hpp>
#include <remat/run/parameter_updater.hpp>
#include <remat/run/regions.hpp>
#include <remat/run/trainable.hpp>
#include <remat/run/transfer_rate.hpp>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <string>
#include <utility>

namespace remat {

inline namespace REMAT_COMPILATION {

class planned_network : public trainable {
 public:
  planned_network(const planned_network&) = delete;
  planned_network& operator=(const planned_network&) = delete;

  /// What a training step at this (micro-)batch does, keeps and needs: `std::cout << model.plan(64)`. Asking reserves
  /// nothing; the packed weights and kernel scratch are known, and in the report, once a step with this batch has run.
  plan_report plan(std::size_t batch) const;
  /// The plan of the last training step.
  plan_report plan() const;
  plan_report inference_plan(std::size_t batch) const;
  const remat::regions& reserved() const {
    held();
    return executors_.reserved();
  }
  /// Batch sizes whose plans are kept, in training and in inference together.
  std::size_t kept_plans() const {
    held();
    return executors_.kept_for_training() + executors_.kept_for_inference();
  }
  /// Gives back the plans and the arena, for example between training and a long evaluation; the next call makes what
  /// it needs again. What `forward` kept for `backward` is lost.
  void release_plans();

  /// Changes the number of threads; plans and primitives are made again when they are next needed.
  void set_threads(int threads);
  std::size_t microbatches() const {
    held();
    return microbatches_;
  }
  const program& lowered() const override {
    held();
    return *program_;
  }
  const tensor_shape& output_shape() const { return lowered().tensors[lowered().outputs[0]]; }

  /// Where memory goes in a training step at this batch, as planned, before it takes any of it: what a budget of the
  /// whole rank counts, all but `resident`. With an optimizer: of `train_step(x, y, optimizer)`. Primitives are made,
  /// to know what kernels need. Throws `error` where a budget is too small.
  memory_report planned_memory(std::size_t batch) const { return planned_memory_of(batch, nullptr); }
  memory_report planned_memory(std::size_t batch, parameter_updater& optimizer) const {
    return planned_memory_of(batch, &optimizer);
  }

 protected:
  friend struct remat::internals;

  /// The threads of a call. Throws `error` where fewer are there than the model was told to have; one that was told
  /// none takes those that there are.
  thread_scope scope_of_call() const {
    held();
    return thread_scope(threads_, needs_all_threads_);
  }
  /// How the kernels of a training step run, of its first micro-batch.
  const kernel_options& kernels() const {
    held();
    return executors_.kernels();
  }
  /// What policies are told in addition to the batch.
  const plan_terms& terms() const {
    held();
    return executors_.terms();
  }

  /// The executor of a batch size, ready to run; one that accumulates serves the micro-batches after the first.
  /// It updates parameters as it is told.
  executor& training(std::size_t batch, bool accumulates = false, updating updates = updating::after_step);
  executor& inference(std::size_t batch);

  /// Names the constructors of deep copies.
  struct cloned {};

  /// On these values, or on new ones where there are none.
  planned_network(program lowered, const model_options& options, std::shared_ptr<shared_values> values)
      : trainable(options.seed, checked_threads(options.threads), nullptr),
        needs_all_threads_(options.threads > 0),
        microbatches_(options.microbatches),
        max_plans_(options.max_plans),
        other_bytes_(std::min(options.other_bytes, detail::most_bytes)),
        program_(std::make_unique<program>(detail::with_options(std::move(lowered), options))),
        executors_(*program_, make_parameters(std::move(values)), kept_sizes(),
                   make_terms(*program_, options.costs, options.activation_bytes,
                              rate_for_budgets(*program_, options.offload_directory)),
                   {.microbatches = options.microbatches,
                    .packing = options.packing,
                    .outside = {std::make_shared<storage_spaces>(options.offload_directory)}}) {
    executors_.leave_room(other_bytes_);
  }
  planned_network(const planned_network& other, cloned)
      : trainable(other.seed_, other.threads(), nullptr),
        needs_all_threads_(other.needs_all_threads_),
        microbatches_(other.microbatches_),
        max_plans_(other.max_plans_),
        other_bytes_(other.other_bytes_),
        program_(std::make_unique<program>(*other.program_)),
        executors_(*program_, make_parameters(std::make_shared<shared_values>(*other.held().shared())), kept_sizes(),
                   other.executors_.terms(), other.executors_.kernels()) {
    steps_ = other.steps_;
    executors_.leave_room(other_bytes_);
  }
  planned_network(planned_network&&) noexcept = default;
  planned_network& operator=(planned_network&&) noexcept = default;  // not onto itself

  /// Where memory goes, of which results and optimizers take this much.
  memory_report memory_with(std::size_t result_bytes, std::size_t optimizer_bytes) const {
    const remat::regions& regions = reserved();
    return {.weights = held().value_block().size(),
            .gradients = held().gradient_memory().held_bytes(),
            .states = held().state_bytes(),
            .optimizer = optimizer_bytes,
            .activations = regions.activations,
            .transient_gradients = regions.gradients,
            .packed = regions.packed,
            .scratch = regions.scratch,
            .tables = table_bytes(*program_),
            .results = result_bytes,
            .resident = resident_bytes(),
            .gradients_needed_for = held().gradient_memory().needed_for()};
  }

  /// What a budget of the whole rank counts in addition to values, states, arena, and gradients that outlive a step:
  /// tables, results and optimizers.
  std::size_t others_with(updating updates, std::size_t results_and_optimizer) const {
    const std::size_t sum = results_and_optimizer + table_bytes(*program_) +
                            (updates == updating::from_arena ? held().gradient_memory().held_bytes() : 0);
    return sum > detail::most_bytes - other_bytes_ ? detail::most_bytes : other_bytes_ + sum;
  }
  /// When the last of `count` micro-batches updates parameters, within a step that has an updater.
  updating updates_of(const parameter_updater* updater, std::size_t count) const {
    const bool updates_after = updater == nullptr || updater->needs_all_gradients() || may_fail(lowered());
    return updates_after ? updating::after_step : count == 1 ? updating::from_arena : updating::from_block;
  }

  /// How a step splits a batch. Throws `error` for one of fewer samples than micro-batches.
  batch_split split_of(std::size_t batch) const {
    if (microbatches_ > 1 && batch < microbatches_)
      throw error("a batch of " + std::to_string(batch) + " does not split into " + std::to_string(microbatches_) +
                  " micro-batches; take at least " + std::to_string(microbatches_) +
                  " samples, or drop the last batch of an epoch");
    return {batch, microbatches_};
  }

  bool needs_all_threads_;
  std::size_t microbatches_, max_plans_, other_bytes_;
  std::unique_ptr<program> program_;  // executors point into it, wherever the network moves
  mutable executor_cache executors_;
  remat::microbatches parts_{*program_};
  std::size_t last_batch_ = 0;

 private:
  memory_report planned_memory_of(std::size_t batch, parameter_updater* updater) const;

  /// A step in several micro-batches may need two sizes of them.
  std::size_t kept_sizes() const { return microbatches_ > 1 && max_plans_ < 2 ? 2 : max_plans_; }

  parameter_store& make_parameters(std::shared_ptr<shared_values> values) {
    parameters_ = values ? std::make_unique<parameter_store>(*program_, std::move(values))
                         : std::make_unique<parameter_store>(*program_, seed_);
    return *parameters_;
  }
};

}  // namespace REMAT_COMPILATION

#if REMAT_HAS_DEFINITIONS

REMAT_DEFINED plan_report planned_network::plan(std::size_t batch) const {
  held();
  if (!executors_.has_rank_budget()) return executors_.training_report(batch);
  const thread_scope scope = scope_of_call();  // kernels need what they do on these threads
  return executors_.training_report(batch);
}

REMAT_DEFINED plan_report planned_network::plan() const {
  held();
  if (last_batch_ == 0) throw error("no step has run yet, so no batch size is known; ask for one: plan(64)");
  return plan(last_batch_);
}

REMAT_DEFINED plan_report planned_network::inference_plan(std::size_t batch) const {
  held();
  return executors_.inference_report(batch);
}

REMAT_DEFINED memory_report planned_network::planned_memory_of(std::size_t batch, parameter_updater* updater) const {
  held();
  const batch_split split = split_of(batch);
  checked_batch(*program_, split.largest());
  const updating updates = updates_of(updater, split.filled());
  const std::size_t results = network_results::bytes_of_step(*program_, batch) + parts_.bytes_with(split);
  const std::size_t of_optimizer = updater != nullptr ? updater->bytes_for(*this) : 0;
  const thread_scope scope = scope_of_call();
  const regions needed = executors_.planned(split.largest(), split.smaller_of_two(), updates,
                                            others_with(updates, results + of_optimizer));
  const kept_gradients& block = held().gradient_memory();
  return {.weights = held().value_block().size(),
          .gradients = updates == updating::from_arena ? block.held_bytes() : block.size_bytes(),
          .states = 2 * held().state_block().size(),
          .optimizer = of_optimizer,
          .activations = needed.activations,
          .transient_gradients = needed.gradients,
          .packed = needed.packed,
          .scratch = needed.scratch,
          .tables = table_bytes(*program_),
          .results = results};
}

REMAT_DEFINED void planned_network::release_plans() {
  held();
  executors_.release();
}

REMAT_DEFINED void planned_network::set_threads(int threads) {
  held();
  threads_ = checked_threads(threads);
  needs_all_threads_ = threads > 0;
  executors_.clear();
}

REMAT_DEFINED executor& planned_network::training(std::size_t batch, bool accumulates, updating updates) {
  const thread_scope scope = scope_of_call();
  return executors_.training(batch, accumulates, updates);
}

REMAT_DEFINED executor& planned_network::inference(std::size_t batch) {
  const thread_scope scope = scope_of_call();
  return executors_.inference(batch);
}

#endif

}  // namespace remat
