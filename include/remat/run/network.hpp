// SPDX-License-Identifier: MIT
/// A network: a program with parameters and executors. What `model` is behind its type.
///
/// It keeps the plans of the batch sizes that it has met of late, `max_plans` of them in training and as many in
/// inference, and the arena of the largest that it has met (executors.hpp). Meeting a new batch size allocates; every
/// later step with it allocates nothing while its plan is kept. `release_plans` gives plans and arena back.
/// (oneDNN keeps up to 1,024 primitives of its own in addition: nn/onednn_primitive.hpp.)
///
/// What only predicts is const, although plans, results and the states of a pass are caches inside. One that was moved
/// from refuses whatever it is asked.
///
/// A network, const or not, is used by one thread at a time, together with all that share its parameters; others may be
/// used by other threads, of the system's or of OpenMP's. Within a parallel region of the user's a network runs on the
/// calling thread alone: one that was built with a number of threads refuses to, one that was not computes the bits of
/// one thread there. A process that has run a step with more than one thread must not fork and go on training in the
/// child: OpenMP's threads do not follow.
#pragma once

#include <remat/core/error.hpp>
#include <remat/core/parallel.hpp>
#include <remat/plan/report.hpp>
#include <remat/run/executors.hpp>
#include <remat/run/mean_loss.hpp>
#include <remat/run/memory_report.hpp>
#include <remat/run/microbatches.hpp>
#include <remat/run/model_options.hpp>
#include <remat/run/network_checks.hpp>
#include <remat/run/parameters.hpp>
#include <remat/run/result.hpp>
#include <remat/run/source.hpp>
#include <remat/run/trainable.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace remat {

class network : public trainable {
 public:
  network(program lowered, const model_options& options) : network(std::move(lowered), options, nullptr) {}

  /// A network on the parameters and states of another, whose program has the same ones, by path and shape: another
  /// input size, other frozen modules, or other places of a shared module, for example. Throws `error` where they
  /// differ. Gradients are each network's own: an optimizer steps on those of the network that it is given, and keeps
  /// one set of numbers for all networks on these parameters.
  network(program lowered, const model_options& options, const network& other)
      : network(std::move(lowered), options, other.held().shared()) {}

  network(const network&) = delete;  // clone() makes a deep copy
  network& operator=(const network&) = delete;
  network(network&&) noexcept = default;
  /// Onto itself, it stays what it is.
  network& operator=(network&& other) noexcept {
    if (this == &other) return *this;
    trainable::operator=(std::move(other));
    needs_all_threads_ = other.needs_all_threads_;
    microbatches_ = other.microbatches_;
    max_plans_ = other.max_plans_;
    program_ = std::move(other.program_);
    executors_ = std::move(other.executors_);
    results_ = std::move(other.results_);
    last_batch_ = other.last_batch_;
    outputs_at_ = other.outputs_at_;
    input_gradients_at_ = other.input_gradients_at_;
    parts_ = std::move(other.parts_);
    gradient_sources_ = std::move(other.gradient_sources_);
    return *this;
  }

  /// A deep copy: of the program, its options, the seed, the number of steps, and of parameters and states, which are
  /// its own from then on. It has no gradients yet, no plans, and an optimizer of its own to get.
  network clone() const { return network(*this, cloned{}); }

  /// Forward, loss and backward on one batch: inputs first, then targets, each a range of numbers (see source.hpp).
  /// Returns the loss, the mean over what counts in the whole batch, whatever its micro-batches (see loss_shares.hpp); a
  /// batch that does not split evenly has larger ones first (batch_split.hpp). Gradients are then in `parameters()`.
  /// Throws `error` where shapes or targets do not fit; then parameters and states are as they were, and an optimizer
  /// refuses to step until a step succeeds: old gradients are never taken for those of a refused batch.
  template <class... Tensors>
  float train_step(const Tensors&... tensors) {
    held().drop_gradients();  // whatever is thrown from here on
    return train_on(std::array<source, sizeof...(Tensors)>{source_of(tensors)...});
  }

  /// Outputs for one batch, images as (N, C, H, W): of a model with several outputs, the first; `output(i)` gives the
  /// others. Spans are valid until the next call.
  template <class... Tensors>
  std::span<const float> predict(const Tensors&... tensors) const {
    return predict_on(std::array<source, sizeof...(Tensors)>{source_of(tensors)...});
  }

  /// The forward pass of a training step of a model without a loss; it keeps what `backward` needs. Returns the first
  /// output, as `predict` does.
  template <class... Tensors>
  std::span<const float> forward(const Tensors&... tensors) {
    return forward_on(std::array<source, sizeof...(Tensors)>{source_of(tensors)...});
  }

  /// The backward pass from gradients of the outputs, one for each, in the layout that `forward` gave. Gradients are
  /// then in `parameters()`. Throws `error` unless `forward` ran just before; then, too, an optimizer refuses to step.
  template <class... Gradients>
  void backward(const Gradients&... gradients) {
    held().drop_gradients();
    backward_on(std::array<source, sizeof...(Gradients)>{source_of(gradients)...});
  }

  /// The same for tensors whose number is known at run time only.
  float train_on(std::span<const source> sources) {
    held().drop_gradients();
    if (program_->loss == none)
      throw error("train_step needs a loss; give the model one: remat::model<net, input, loss>");
    const thread_scope scope = scope_of_call();
    const batch_split split{batch_of(sources, program_->inputs), microbatches_};
    const auto executor_of = [&](std::size_t k) -> executor& { return training(split.samples(k), k > 0); };
    parts_.begin(split, sources, held());
    for (std::size_t k = 0; k < parts_.count(); ++k)
      executor_of(k);  // all of them first: making one may move the arena
    executors_.set_waiting(nullptr);
    results_.begin();
    for (float& loss : parts_.losses()) results_.expect_raw(std::as_writable_bytes(std::span(&loss, 1)));
    expect_input_gradients(split.batch);
    held().making_gradients([&] {
      held().keeping_states([&] {
        for (std::size_t k = 0; k < parts_.count(); ++k) parts_.run(k, executor_of(k), seed_, steps_, results_.views());
      });
    });
    finish_step(split.largest(), static_cast<int>(parts_.count()));
    return parts_.loss();
  }

  std::span<const float> predict_on(std::span<const source> sources) const {
    return run_forward(sources, lowered().inputs - lowered().targets, false);
  }

  std::span<const float> forward_on(std::span<const source> sources) {
    if (lowered().loss != none) throw error("forward is for models without a loss; train_step does all at once");
    const std::span<const float> first = run_forward(sources, program_->inputs, true);
    executors_.set_waiting(&training(batch_of(sources, program_->inputs)));
    return first;
  }

  void backward_on(std::span<const source> gradients) {
    held().drop_gradients();
    if (executors_.waiting() == nullptr) throw error("backward needs what forward kept; call forward just before it");
    const thread_scope scope = scope_of_call();
    executor& e = *executors_.waiting();
    if (e.threads() != scope.threads())
      throw error("backward has " + std::to_string(scope.threads()) + " threads here, and forward before it had " +
                  std::to_string(e.threads()) + "; call both outside of parallel regions, or both in one");
    require_output_gradients(*program_, gradients, e.planned().batch);
    gradient_sources_.assign(static_cast<std::size_t>(program_->inputs), source{});
    gradient_sources_.insert(gradient_sources_.end(), gradients.begin(), gradients.end());
    results_.begin();
    expect_input_gradients(e.planned().batch);
    executors_.set_waiting(nullptr);
    held().making_gradients([&] {
      e.run({seed_, steps_}, gradient_sources_, results_.views(), executor::part::backward);
    });
    finish_step(e.planned().batch, 0);
  }

  /// The gradient of input i in the last step, images as (N, C, H, W); with `input_gradients` among the options.
  std::span<const float> input_gradient(std::size_t i = 0) const {
    if (!lowered().input_gradients)
      throw error("the gradient of an input is known to a model that was built with {.input_gradients = true}");
    if (input_gradients_at_ == none)
      throw error("no step has run since the last forward pass; an input has a gradient behind a step");
    if (i >= results_.views().size() - static_cast<std::size_t>(input_gradients_at_))
      throw error("there is no input " + std::to_string(i) + " with a gradient; inputs are counted from 0");
    return results_.at(static_cast<std::size_t>(input_gradients_at_) + i);
  }

  /// Output i of the last `predict` or `forward`.
  std::span<const float> output(std::size_t i) const {
    held();
    if (outputs_at_ == none) throw error("no forward pass has run since the last step, so there is no output");
    return results_.at(static_cast<std::size_t>(outputs_at_) + i);
  }

  /// Runs `predict` on every batch of a range of (inputs, targets) and returns what the metric makes of it.
  template <class Batches, class Metric>
  auto evaluate(Batches&& batches, Metric metric) const {
    const thread_scope scope = scope_of_call();
    detail::begin_metric(metric, *program_, held(), true);
    for (const auto& [inputs, targets] : batches) metric.add(predict(inputs), targets, output_shape());
    return metric.value();
  }

  /// What a training step at this (micro-)batch does, keeps and needs: `std::cout << model.plan(64)`. Asking reserves
  /// nothing; the packed weights and kernel scratch are known, and in the report, once a step with this batch has run.
  plan_report plan(std::size_t batch) const {
    held();
    return executors_.training_report(batch);
  }
  /// The plan of the last training step.
  plan_report plan() const {
    held();
    if (last_batch_ == 0) throw error("no step has run yet, so no batch size is known; ask for one: plan(64)");
    return plan(last_batch_);
  }
  plan_report inference_plan(std::size_t batch) const {
    held();
    return executors_.inference_report(batch);
  }

  /// Where memory goes, of this model and of the process: `std::cout << model.memory()`.
  memory_report memory() const {
    const remat::regions& regions = reserved();
    return {.weights = held().value_block().size(),
            .gradients = held().gradient_block().size(),
            .states = held().state_bytes(),
            .optimizer = held().optimizer_bytes(),
            .activations = regions.activations,
            .packed = regions.packed,
            .scratch = regions.scratch,
            .results = results_.bytes() + parts_.bytes(),
            .resident = resident_bytes()};
  }
  const remat::regions& reserved() const {
    held();
    return executors_.reserved();
  }
  /// Batch sizes whose plans are kept, in training and in inference together.
  std::size_t kept_plans() const {
    held();
    return executors_.kept_for_training() + executors_.kept_for_inference();
  }
  /// Gives back the plans and the arena, for example between training and a long evaluation; the next call makes what it
  /// needs again. What `forward` kept for `backward` is lost.
  void release_plans() {
    held();
    executors_.release();
  }
  /// Changes the number of threads; plans and primitives are made again when they are next needed.
  void set_threads(int threads) {
    held();
    threads_ = checked_threads(threads);
    needs_all_threads_ = threads > 0;
    executors_.clear();
  }
  /// The threads of a call. Throws `error` where fewer are there than the model was told to have; one that was told none
  /// takes those that there are.
  thread_scope scope_of_call() const {
    held();
    return thread_scope(threads_, needs_all_threads_);
  }
  std::size_t microbatches() const {
    held();
    return microbatches_;
  }
  const program& lowered() const {
    held();
    return *program_;
  }
  const tensor_shape& output_shape() const { return lowered().tensors[lowered().outputs[0]]; }

  /// The executor of a batch size, ready to run; one that accumulates serves the micro-batches after the first.
  executor& training(std::size_t batch, bool accumulates = false) {
    const thread_scope scope = scope_of_call();
    return executors_.training(batch, accumulates);
  }
  executor& inference(std::size_t batch) {
    const thread_scope scope = scope_of_call();
    return executors_.inference(batch);
  }

  /// One step of an executor, as given, of a model with a loss: for those who measure or audit it.
  float run_training(executor& e, const executor::step& s, std::span<const source> sources) {
    const thread_scope scope = scope_of_call();
    float loss = 0;
    results_.begin();
    results_.expect_raw(std::as_writable_bytes(std::span(&loss, 1)));
    expect_input_gradients(e.planned().batch);
    executors_.set_waiting(nullptr);
    held().making_gradients([&] { held().keeping_states([&] { e.run(s, sources, results_.views()); }); });
    held().sum_shared();
    return loss;
  }

  /// The batch that `sources` hold, the first `count` inputs of the program. Throws `error` where they disagree.
  std::size_t batch_of(std::span<const source> sources, int count) const {
    return remat::batch_of(lowered(), sources, count);
  }

 protected:
  /// Names the constructors of deep copies.
  struct cloned {};

 private:
  network(program lowered, const model_options& options, std::shared_ptr<shared_values> values)
      : trainable(options.seed, checked_threads(options.threads), nullptr),
        needs_all_threads_(options.threads > 0),
        microbatches_(options.microbatches),
        max_plans_(options.max_plans),
        program_(std::make_unique<program>(detail::with_options(std::move(lowered), options))),
        executors_(*program_, make_parameters(std::move(values)), kept_sizes()),
        parts_(*program_) {}
  network(const network& other, cloned)
      : trainable(other.seed_, other.threads(), nullptr),
        needs_all_threads_(other.needs_all_threads_),
        microbatches_(other.microbatches_),
        max_plans_(other.max_plans_),
        program_(std::make_unique<program>(*other.program_)),
        executors_(*program_, make_parameters(std::make_shared<shared_values>(*other.held().shared())), kept_sizes()),
        parts_(*program_) {
    steps_ = other.steps_;
  }

  /// A step in several micro-batches may need two sizes of them.
  std::size_t kept_sizes() const { return microbatches_ > 1 && max_plans_ < 2 ? 2 : max_plans_; }

  /// On the values of another network, or on new ones.
  parameter_store& make_parameters(std::shared_ptr<shared_values> values) {
    parameters_ = values ? std::make_unique<parameter_store>(*program_, std::move(values))
                         : std::make_unique<parameter_store>(*program_, seed_);
    return *parameters_;
  }

  /// The forward pass, in inference or in training.
  std::span<const float> run_forward(std::span<const source> sources, int inputs, bool is_training) const {
    const thread_scope scope = scope_of_call();
    require_float_outputs(*program_);
    executors_.set_waiting(nullptr);
    const std::size_t batch = batch_of(sources, inputs);
    executor& e = is_training ? executors_.training(batch) : executors_.inference(batch);
    results_.begin();
    for (int t : program_->outputs) results_.expect(program_->tensors[t], batch);
    held().keeping_states([&] {
      e.run({seed_, steps_}, sources, results_.views(), is_training ? executor::part::forward : executor::part::whole);
    });
    results_.finish();
    outputs_at_ = 0;
    input_gradients_at_ = none;
    return output(0);
  }

  void expect_input_gradients(std::size_t batch) {
    for (int t = 0; t < program_->inputs - program_->targets; ++t)
      if (detail::has_gradient(*program_, t)) results_.expect(program_->tensors[t], batch);
  }

  void finish_step(std::size_t batch, int input_gradients_at) {
    results_.finish();
    held().sum_shared();
    ++steps_;
    last_batch_ = batch;
    outputs_at_ = none;
    input_gradients_at_ = input_gradients_at;
  }

  bool needs_all_threads_;
  std::size_t microbatches_, max_plans_;
  std::unique_ptr<program> program_;  // executors point into it, wherever the network moves
  mutable executors executors_;
  mutable results results_;
  std::size_t last_batch_ = 0;
  mutable int outputs_at_ = none, input_gradients_at_ = none;  // in the results
  remat::microbatches parts_;
  std::vector<source> gradient_sources_;
};

}  // namespace remat
