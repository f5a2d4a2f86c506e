// SPDX-License-Identifier: MIT
/// The executor: runs the tape of one plan in an arena. It decides nothing and allocates nothing.
#pragma once

#include <remat/core/error.hpp>
#include <remat/core/parallel.hpp>
#include <remat/plan/plan.hpp>
#include <remat/plan/plan_regions.hpp>
#include <remat/run/copy_bytes.hpp>
#include <remat/run/exchange.hpp>
#include <remat/run/first_pass.hpp>
#include <remat/run/gradient_actions.hpp>
#include <remat/run/gradient_receiver.hpp>
#include <remat/run/kernel_calls.hpp>
#include <remat/run/module_errors.hpp>
#include <remat/run/observer.hpp>
#include <remat/run/outside_tensors.hpp>
#include <remat/run/parameter_store.hpp>
#include <remat/run/regions.hpp>
#include <remat/run/source.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <utility>

namespace remat {

/// A number for each kind of action.
using action_counts = std::array<std::size_t, action_kinds>;

class executor {
 public:
  /// What a step needs to know in addition to its inputs.
  struct step {
    std::uint64_t seed = 0;
    std::uint32_t number = 0, microbatch = 0;
    std::size_t place = 0;  ///< of the micro-batch among those that wait at once, or its number there
    float share = 1;        ///< of this micro-batch in the loss of the batch: what its backward pass begins with
    std::optional<double> counted_in_batch = {};  ///< what the loss divides by, where it is not to count by itself
    observer* watching = nullptr;
    exchange* ports = nullptr;  ///< of a stage
    bool packs = true;          ///< false: what an earlier micro-batch of this size has packed to be kept is used
    gradient_receiver* updates = nullptr;  ///< of a plan with updates
  };
  /// Makes the primitives, for the threads that there are now: the step runs on as many. `p` and `parameters` must
  /// outlive the executor. `like`: one of other micro-batches of the same size and step, which keeps the same packed
  /// weights, at the same place.
  executor(const program& p, plan made, parameter_store& parameters, const kernel_options& how = {},
           const executor* like = nullptr)
      : program_(&p),
        plan_(std::move(made)),
        calls_(p, plan_, parameters, how, like != nullptr ? &like->calls_ : nullptr),
        outside_(p, plan_.steps, plan_.batch, how.outside),
        first_pass_(p, plan_, how.outside.microbatches),
        parameters_(&parameters),
        loss_(p.loss == core::none ? core::none : p.producers[p.loss]),
        accumulates_(how.accumulates),
        threads_(primitive_threads()) {}

  /// As it was given, with the pack actions of its kernels on its tape.
  const plan& planned() const { return plan_; }
  bool accumulates() const { return accumulates_; }
  /// Those that its primitives are made for.
  int threads() const { return threads_; }
  /// What leaves the arena.
  const outside_tensors& outside() const { return outside_; }
  /// Where it waits, next to what other executors have there (outside_tensors.hpp).
  void place_outside(std::size_t first_byte, std::size_t distance) { outside_.place(first_byte, distance); }
  /// Begins the reads that the backward pass of a micro-batch begins with, in a task before it; its forward pass has
  /// run. `regions`: where the plan's are for it.
  void read_ahead(std::size_t place, std::span<std::byte* const> regions) {
    detail::each_read_ahead(plan_, [&](const action& a) {
      const buffer& to = plan_.steps.buffers[a.outputs[0]];
      if (plan_.regions[to.region].tasks_ahead > 0)
        outside_.begin_read(a.inputs[0], place, regions[static_cast<std::size_t>(to.region)] + to.offset, true);
    });
  }
  /// What kernels need in addition to tensors.
  const kernel_memory& kernels() const { return calls_.memory(); }
  regions needed() const { return regions_of(plan_, kernels()); }

  /// Moves to another arena: where its activations, gradients of parameters among them, and the memory of its kernels
  /// begin.
  void bind(std::byte* activations, std::byte* kernels) {
    bind(std::span(&activations, 1), kernels, kernels + this->kernels().step_bytes());
  }
  /// The regions of a stage, as its plan lists them, and the two parts of the memory of its kernels: what stays there
  /// for the other micro-batches of a step, and the rest.
  void bind(std::span<std::byte* const> regions, std::byte* for_step, std::byte* passing) {
    calls_.bind(plan_.steps, regions, for_step, passing);
  }

  /// Runs the tape on the program's inputs, after them the gradients of its outputs where it has no loss. Results are
  /// read into `results`, one for each `fetch` in order.
  void run(const step& s, std::span<const tensor_source> inputs, std::span<const std::span<std::byte>> results) {
    run_actions(s, inputs, results, {"", 0, plan_.steps.actions.count()});
  }
  /// Runs a section of the tape, by its number; `results` are those that it fetches.
  void run(const step& s, std::span<const tensor_source> inputs, std::span<const std::span<std::byte>> results,
           int section) {
    run_actions(s, inputs, results, plan_.steps.sections[section]);
  }

  /// How often the last run executed a kind of action.
  std::size_t executed(action_kind kind) const { return executed_[static_cast<std::size_t>(kind)]; }
  /// The same for all kinds. Later sections add to those of the first.
  const action_counts& executed() const { return executed_; }

  /// Where a buffer is in the bound arena.
  std::byte* address(int buffer) const { return calls_.address(plan_.steps.buffers[buffer]); }
  std::byte* address(const kernel_buffer& b) const { return calls_.address(b); }

 private:
  void run_actions(const step& s, std::span<const tensor_source> inputs, std::span<const std::span<std::byte>> results,
                   const section& which) {
    if (outside_.empty()) return run_each(s, inputs, results, which);
    try {
      outside_.prepare();
      run_each(s, inputs, results, which);
    } catch (...) {
      outside_.cancel();  // its memory is the caller's again
      throw;
    }
  }

  void run_each(const step& s, std::span<const tensor_source> inputs, std::span<const std::span<std::byte>> results,
                const section& which) {
    if (primitive_threads() != threads_)
      throw error("a step that was made for " + std::to_string(threads_) + " threads cannot run on " +
                  std::to_string(primitive_threads()) + "; make it and run it in one thread_scope");
    if (plan_.is_training && plan_.updates != updating::from_arena) parameters_->gradient_memory().provide();
    const gradient_actions gradients(*program_, plan_.steps, calls_);
    std::size_t fetched = 0, given = static_cast<std::size_t>(program_->inputs);  // gradients come after inputs
    if (which.first == 0) executed_ = {};
    const bool verifies = !first_pass_.empty();
    const auto place_of = [this](int b) { return address(b); };
    for (std::size_t i = static_cast<std::size_t>(which.first); i < static_cast<std::size_t>(which.last); ++i) {
      const action& a = plan_.steps.actions[i];
      const kernel_memory::of_action& here = kernels().at(static_cast<int>(i));
      if (a.kind == action_kind::pack && here.is_for_step && !s.packs) continue;  // it is there
      if (s.watching != nullptr) s.watching->before(static_cast<int>(i));
      if (verifies) first_pass_.before(plan_.steps, a, s.place, place_of);
      switch (a.kind) {
        case action_kind::load:
          load(inputs[static_cast<std::size_t>(plan_.steps.buffers[a.outputs[0]].tensor)], a.outputs[0]);
          break;
        case action_kind::fetch: {
          const std::span<std::byte> to = results[fetched++];
          if (a.inputs[0] == core::none)
            std::memset(to.data(), 0, to.size());
          else
            detail::copy_bytes(address(a.inputs[0]), to.data(), to.size());
          break;
        }
        case action_kind::load_gradient:
          load(inputs[given++], a.outputs[0]);
          break;
        case action_kind::store:
          plan_.steps.buffers[a.outputs[0]].form->store(stored(a.inputs[0]), address(a.inputs[0]),
                                                        address(a.outputs[0]));
          break;
        case action_kind::restore:
          plan_.steps.buffers[a.inputs[0]].form->restore(stored(a.inputs[0]), address(a.inputs[0]),
                                                         address(a.outputs[0]));
          break;
        case action_kind::begin_write:
          outside_.begin_write(a.outputs[0], s.place, address(a.inputs[0]));
          break;
        case action_kind::finish_write:
          outside_.finish_write(a.outputs[0], s.place);
          break;
        case action_kind::begin_read:
          outside_.begin_read(a.inputs[0], s.place, address(a.outputs[0]));
          break;
        case action_kind::finish_read:
          outside_.finish_read(a.inputs[0], s.place);
          break;
        case action_kind::receive:
          s.ports->receive(plan_.steps.buffers[a.outputs[0]].port);
          break;
        case action_kind::send:
          s.ports->send(plan_.steps.buffers[a.inputs[0]].port);
          break;
        case action_kind::pack:
          with_call(i, [&](const kernel_call& c) {
            program_->operations[a.operation].kernels->pack(pack_pass(c, here.copy));
          });
          break;
        case action_kind::seed:
          gradients.seed(a, s.share);
          break;
        case action_kind::differentiate:
          gradients.differentiate(a);
          break;
        case action_kind::copy_gradient:
          gradients.copy(a, false);
          break;
        case action_kind::add_gradient:
          gradients.copy(a, true);
          break;
        case action_kind::clear_gradient:
          gradients.clear(a.parameter);
          break;
        case action_kind::sum_places:
          gradients.sum_places(a.parameter);
          break;
        case action_kind::update:
          s.updates->final_gradient(a.parameter, calls_.parameter_gradient(a.parameter));
          break;
        default:
          with_call(i, [&](const kernel_call& c) {
            detail::naming_module(*program_, program_->operations[a.operation], [&] { run_kernel(a, c, s); });
          });
      }
      ++executed_[static_cast<std::size_t>(a.kind)];
      if (verifies) first_pass_.after(plan_.steps, a, s.place, place_of);
      if (s.watching != nullptr) s.watching->after(static_cast<int>(i));
      if (s.ports != nullptr) s.ports->after(static_cast<int>(i));
    }
  }

  template <class F>
  void with_call(std::size_t i, const F& f) {
    calls_.with_call(*program_, plan_, i, f);
  }

  void run_kernel(const action& a, const kernel_call& c, const step& s) const {
    const operation& o = program_->operations[a.operation];
    const random_stream random(s.seed, static_cast<std::uint32_t>(o.occurrence), s.microbatch, s.number);
    const std::optional<double> counted = a.operation == loss_ ? s.counted_in_batch : std::nullopt;
    switch (a.kind) {
      case action_kind::update_state:
        o.kernels->update_state(update_pass(c));
        break;
      case action_kind::forward:
      case action_kind::recompute:
        o.kernels->forward(forward_pass(c, plan_.is_training, random, counted));
        break;
      case action_kind::backward_parameters:
        o.kernels->backward_parameters(backward_pass(c, random, counted));
        break;
      case action_kind::backward:
        o.kernels->backward(backward_pass(c, random, counted));
        break;
      default:
        o.kernels->backward_input(backward_pass(c, random, counted));
    }
  }

  void load(const tensor_source& from, int b) const { from.load(from, shape_of_buffer(b), address(b)); }
  stored_tensor stored(int b) const { return {shape_of_buffer(b), plan_.batch}; }
  const tensor_shape& shape_of_buffer(int b) const { return program_->tensors[plan_.steps.buffers[b].tensor]; }

  const program* program_;
  plan plan_;
  kernel_calls calls_;
  outside_tensors outside_;
  first_pass first_pass_;
  parameter_store* parameters_;
  int loss_;  // the operation that gives it, or none
  bool accumulates_;
  int threads_;
  action_counts executed_ = {};
};

}  // namespace remat
