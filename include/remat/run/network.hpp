// SPDX-License-Identifier: MIT
/// A network: a program with parameters and executors. What `model` is without its type. What it predicts is in
/// predicting_network.hpp; its plans, and what is reported of them, are in planned_network.hpp.
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

#include <remat/core/compilation.hpp>
#include <remat/core/error.hpp>
#include <remat/core/parallel.hpp>
#include <remat/plan/failing_steps.hpp>
#include <remat/run/executor.hpp>
#include <remat/run/internals.hpp>
#include <remat/run/memory_report.hpp>
#include <remat/run/model_options.hpp>
#include <remat/run/network_checks.hpp>
#include <remat/run/parameter_updater.hpp>
#include <remat/run/predicting_network.hpp>
#include <remat/run/source.hpp>
#include <remat/run/updates_of_step.hpp>

#include <array>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace remat {

inline namespace REMAT_COMPILATION {

class network : public predicting_network {
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
  network(network&&) noexcept;
  ~network() override;
  /// Onto itself, it stays what it is.
  network& operator=(network&& other) noexcept;

  /// A deep copy: of the program, its options, the seed, the number of steps, and of parameters and states, which are
  /// its own from then on. It has no gradients yet, no plans, and an optimizer of its own to get.
  network clone() const;

  /// Forward, loss and backward on one batch: inputs first, then targets, each a range of numbers (see source.hpp).
  /// Returns the loss, the mean over what counts in the whole batch, whatever its micro-batches (see loss_shares.hpp);
  /// a batch that does not split evenly has larger ones first (batch_split.hpp). Gradients are then in `parameters()`.
  /// Throws `error` where shapes or targets do not fit; then parameters and states are as they were, and an optimizer
  /// refuses to step until a step succeeds: old gradients are never taken for those of a refused batch.
  template <class... Tensors>
    requires(!detail::EndsWithUpdater<Tensors...>)
  float train_step(const Tensors&... tensors) {
    held().drop_gradients();  // whatever is thrown from here on
    return train_on(std::array<tensor_source, sizeof...(Tensors)>{source_of(tensors)...});
  }

  /// The same with an optimizer's step: `train_step(images, labels, optimizer)`, or with the factor on its learning
  /// rate as well, `train_step(images, labels, optimizer, schedule(optimizer.steps()))`. Each parameter is updated as
  /// soon as its gradient is final and the step needs its values no more, to the bits of a `train_step(images, labels)`
  /// and an `optimizer.step(model, factor)` after it. Gradients are used up: in one micro-batch they have memory from
  /// when they are computed to the update (the line of transient gradients in `memory()`), and no block of all is kept.
  /// After such a step there are none to read. An optimizer that looks at all of them first, `clipped`, keeps the
  /// block, and so does a model whose steps may fail before their end: where activations wait on a disk, or
  /// recomputation is verified.
  ///
  /// What is thrown before the backward pass, such as for a target that is no class, leaves parameters, states and
  /// optimizer as they were. A kernel of the user's that throws within the backward pass does not undo the updates of
  /// what comes after it in the model.
  template <class... Arguments>
    requires detail::EndsWithUpdater<Arguments...>
  float train_step(Arguments&&... arguments) {
    return detail::with_updater(
        [&](parameter_updater& updater, double factor, const auto&... tensors) {
          held().drop_gradients();  // whatever is thrown from here on
          return train_on(std::array<tensor_source, sizeof...(tensors)>{source_of(tensors)...}, updater, factor);
        },
        arguments...);
  }

  /// The forward pass of a training step of a model without a loss; it keeps what `backward` needs. Returns the first
  /// output, as `predict` does.
  template <class... Tensors>
  std::span<const float> forward(const Tensors&... tensors) {
    return forward_on(std::array<tensor_source, sizeof...(Tensors)>{source_of(tensors)...});
  }

  /// The backward pass from gradients of the outputs, one for each, in the layout that `forward` gave. Gradients are
  /// then in `parameters()`. Throws `error` unless `forward` ran just before; then, too, an optimizer refuses to step.
  template <class... Gradients>
  void backward(const Gradients&... gradients) {
    held().drop_gradients();
    differentiate(std::array<tensor_source, sizeof...(Gradients)>{source_of(gradients)...});
  }

  /// The same for tensors whose number is known at run time only.
  float train_on(std::span<const tensor_source> sources) {
    held().drop_gradients();
    return train(sources, nullptr, 1);
  }
  float train_on(std::span<const tensor_source> sources, parameter_updater& updater, double learning_rate_factor = 1) {
    held().drop_gradients();
    const bool may_fail = remat::may_fail(lowered());
    if (!updater.needs_all_gradients() && !may_fail) return train(sources, &updater, learning_rate_factor);
    updater.begin(*this, learning_rate_factor);  // it refuses before anything has changed
    const float loss = train(sources, nullptr, 1, may_fail ? gradient_need::failing_steps : gradient_need::all_at_once,
                             executors_.has_rank_budget() ? updater.bytes_for(*this) : 0);
    updater.step(*this, learning_rate_factor);
    return loss;
  }

  std::span<const float> forward_on(std::span<const tensor_source> sources);

  void backward_on(std::span<const tensor_source> gradients) {
    held().drop_gradients();
    differentiate(gradients);
  }

  /// The gradient of input i in the last step, images as (N, C, H, W); with `input_gradients` among the options.
  std::span<const float> input_gradient(std::size_t i = 0) const {
    if (!lowered().input_gradients)
      throw error("the gradient of an input is known to a model that was built with {.input_gradients = true}");
    return results_.input_gradient(i);
  }

  /// Where memory goes, of this model, of the optimizers that are named, and of the process:
  /// `std::cout << model.memory(optimizer)`.
  template <class... Optimizers>
  memory_report memory(const Optimizers&... optimizers) const {
    return memory_with(results_.bytes() + parts_.bytes(), (std::size_t{0} + ... + optimizers.bytes()));
  }

 private:
  friend struct remat::internals;

  /// One step of an executor, as given, of a model with a loss: for those who measure or audit it.
  float run_training(executor& e, const executor::step& s, std::span<const tensor_source> sources);

  network(program lowered, const model_options& options, std::shared_ptr<shared_values> values);
  network(const network& other, cloned);

  /// Updates the parameters within the step, where there is an updater.
  float train(std::span<const tensor_source> sources, parameter_updater* updater, double learning_rate_factor,
              gradient_need need = gradient_need::steps_apart, std::size_t optimizer_bytes = 0);

  void differentiate(std::span<const tensor_source> gradients);

  /// A step has run on this (micro-)batch.
  void finish_step(std::size_t batch);

  std::vector<tensor_source> gradient_sources_;
};

}  // namespace REMAT_COMPILATION

#if REMAT_HAS_DEFINITIONS

REMAT_DEFINED network::network(network&&) noexcept = default;
REMAT_DEFINED network::~network() = default;

REMAT_DEFINED network& network::operator=(network&& other) noexcept {
  if (this == &other) return *this;
  predicting_network::operator=(std::move(other));
  gradient_sources_ = std::move(other.gradient_sources_);
  return *this;
}

REMAT_DEFINED network network::clone() const { return network(*this, cloned{}); }

REMAT_DEFINED std::span<const float> network::forward_on(std::span<const tensor_source> sources) {
  if (lowered().loss != core::none) throw error("forward is for models without a loss; train_step does all at once");
  if (executors_.has_rank_budget()) {
    const std::size_t results = network_results::bytes_of_step(*program_, batch_of(sources, program_->inputs));
    results_.shrink_to(results, sources);
    executors_.leave_room(others_with(updating::after_step, results));
  }
  const std::span<const float> first = run_forward(sources, program_->inputs, true);
  executors_.hold_for_backward(&training(batch_of(sources, program_->inputs)));
  return first;
}

REMAT_DEFINED float network::run_training(executor& e, const executor::step& s,
                                          std::span<const tensor_source> sources) {
  const thread_scope scope = scope_of_call();
  float loss = 0;
  results_.begin_step(*program_, e.planned().batch, {&loss, 1}, sources);
  executors_.hold_for_backward(nullptr);
  const auto run = [&] { held().keeping_states([&] { e.run(s, sources, results_.places()); }); };
  if (e.planned().updates == updating::after_step) {
    held().making_gradients(run);
    held().sum_shared();
  } else {
    held().using_up_gradients(run);
  }
  return loss;
}

REMAT_DEFINED network::network(program lowered, const model_options& options, std::shared_ptr<shared_values> values)
    : predicting_network(std::move(lowered), options, std::move(values)) {}

REMAT_DEFINED network::network(const network& other, cloned) : predicting_network(other, cloned{}) {}

REMAT_DEFINED float network::train(std::span<const tensor_source> sources, parameter_updater* updater,
                                   double learning_rate_factor, gradient_need need, std::size_t optimizer_bytes) {
  if (program_->loss == core::none)
    throw error("train_step needs a loss; give the model one: remat::model<net, input, loss>");
  const thread_scope scope = scope_of_call();
  const batch_split split = split_of(batch_of(sources, program_->inputs));
  parts_.begin(split, sources, held());
  const std::size_t count = parts_.count();
  if (executors_.has_rank_budget()) {
    const std::size_t results = network_results::bytes_of_step(*program_, split.batch);
    results_.shrink_to(results, sources);  // outputs of predictions, which a step forgets
    if (updater != nullptr) optimizer_bytes = updater->bytes_for(*this);
    executors_.leave_room(others_with(updates_of(updater, count), parts_.bytes() + optimizer_bytes + results),
                          split.smaller_of_two());
  }
  const auto executor_of = [&](std::size_t k) -> executor& {
    return training(split.samples(k), k > 0, k + 1 < count ? updating::after_step : updates_of(updater, count));
  };
  for (std::size_t k = 0; k < count; ++k) executor_of(k);  // all of them first: making one may move the arena
  if (updater == nullptr) held().gradient_memory().provide(need);
  if (updater != nullptr && count > 1) held().gradient_memory().provide(gradient_need::microbatches);
  executors_.hold_for_backward(nullptr);
  results_.begin_step(*program_, split.batch, parts_.losses(), sources);
  const auto run = [&](gradient_receiver* updates) {
    held().keeping_states([&] {
      for (std::size_t k = 0; k < count; ++k) parts_.run(k, executor_of(k), seed_, steps_, results_.places(), updates);
    });
  };
  if (updater == nullptr) {
    held().making_gradients([&] { run(nullptr); });
    held().sum_shared();
  } else {
    held().using_up_gradients([&] {
      updater->begin(*this, learning_rate_factor);
      updates_of_step updates(*this, *updater);
      run(&updates);
      updater->finish(*this);
    });
  }
  finish_step(split.largest());
  return parts_.loss();
}

REMAT_DEFINED void network::differentiate(std::span<const tensor_source> gradients) {
  if (executors_.held_for_backward() == nullptr)
    throw error(
        "backward needs what forward kept, and another call since then has overwritten it; call forward just before "
        "backward");
  const thread_scope scope = scope_of_call();
  executor& e = *executors_.held_for_backward();
  if (e.threads() != scope.threads())
    throw error("backward has " + std::to_string(scope.threads()) + " threads here, and forward before it had " +
                std::to_string(e.threads()) + "; call both outside of parallel regions, or both in one");
  require_output_gradients(*program_, gradients, e.planned().batch);
  gradient_sources_.assign(static_cast<std::size_t>(program_->inputs), tensor_source{});
  gradient_sources_.insert(gradient_sources_.end(), gradients.begin(), gradients.end());
  results_.begin_step(*program_, e.planned().batch, {}, gradients);
  held().gradient_memory().provide(gradient_need::steps_apart);
  executors_.hold_for_backward(nullptr);
  held().making_gradients([&] {
    try {
      e.run({seed_, steps_}, gradient_sources_, results_.places(), backward_section);
    } catch (...) {
      held().restore_states();  // as they were before `forward`
      throw;
    }
  });
  held().sum_shared();
  finish_step(e.planned().batch);
}

REMAT_DEFINED void network::finish_step(std::size_t batch) {
  results_.finish_step();
  ++steps_;
  last_batch_ = batch;
}

#endif

}  // namespace remat
