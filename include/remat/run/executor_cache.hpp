// SPDX-License-Identifier: MIT
/// The executors of a program: one for each batch size that it has met of late, in training and in inference, and the
/// arena that they share, which stays that of the largest.
///
/// Meeting a new batch size allocates; whoever asks for it again gets the same executor. An executor is made for a
/// number of threads, that of the caller's `thread_scope`; on another number the same batch size is a new one. Where
/// more than `max_plans` sizes were met, those that were not used for the longest time are forgotten, except the one
/// that `held_for_backward` needs.
#pragma once

#include <remat/plan/certify.hpp>
#include <remat/plan/failing_steps.hpp>
#include <remat/plan/plan_terms.hpp>
#include <remat/plan/report.hpp>
#include <remat/run/arena.hpp>
#include <remat/run/executor.hpp>
#include <remat/run/kept_executors.hpp>
#include <remat/run/network_checks.hpp>
#include <remat/run/parameter_store.hpp>
#include <remat/run/rank_with_kernels.hpp>
#include <remat/run/storage_spaces.hpp>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <new>
#include <string>
#include <utility>

namespace remat {

class executor_cache {
 public:
  /// Both must stay where they are. `kernels`: how those of a training step run, in its first micro-batch.
  executor_cache(const program& p, parameter_store& parameters, std::size_t max_plans, plan_terms terms,
                 const kernel_options& kernels)
      : program_(&p),
        parameters_(&parameters),
        max_plans_(max_plans),
        terms_(std::move(terms)),
        kernels_(kernels),
        has_rank_budget_(remat::has_rank_budget(p)) {
    close_spaces();  // another model has its own
  }

  /// Says how much the rank holds that is neither values nor states nor in the arena: a budget of the whole counts it.
  /// The most that was said counts; what was planned with less is planned again. `smaller`: samples of the step's
  /// smaller micro-batches, 0 where all are of one size: the last batch of an epoch has other ones, time and again.
  void leave_room(std::size_t others, std::size_t smaller = 0) {
    if (others <= others_ && smaller <= smaller_) return;
    others_ = std::max(others, others_);
    smaller_ = std::max(smaller, smaller_);
    if (has_rank_budget_) release();
  }

  /// Whether plans depend on what else the rank holds.
  bool has_rank_budget() const { return has_rank_budget_; }
  const plan_terms& terms() const { return terms_; }
  const kernel_options& kernels() const { return kernels_; }

  /// The executor of a batch size, ready to run; one that accumulates serves the micro-batches after the first. It
  /// updates parameters as it is told.
  executor& training(std::size_t batch, bool accumulates = false, updating updates = updating::after_step) {
    return ready(training_, batch, accumulates, updates);
  }
  executor& inference(std::size_t batch) { return ready(inference_, batch, false, updating::after_step); }

  /// The executor that ran the forward pass alone, while the arena has what its backward pass needs; or null.
  executor* held_for_backward() const { return held_; }
  void hold_for_backward(executor* e) { held_ = e; }

  /// They are made again when they are next needed. The arena stays.
  void clear() {
    held_ = nullptr;
    training_.clear();
    inference_.clear();
  }

  /// The same, and the arena is given back.
  void release() {
    clear();
    arena_ = {};
    close_spaces();
  }

  /// Batch sizes whose plans are kept, in training or in inference.
  std::size_t kept_for_training() const { return training_.sizes(); }
  std::size_t kept_for_inference() const { return inference_.sizes(); }

  /// The plan for a batch, which need not have run; the bytes of packed weights and scratch are known if it has.
  plan_report training_report(std::size_t batch) const { return report_of(training_, batch); }
  plan_report inference_report(std::size_t batch) const { return report_of(inference_, batch); }

  const regions& reserved() const { return arena_.reserved(); }
  /// What a step in micro-batches of these samples needs of an arena of its own, where the rank holds this much else.
  regions planned(std::size_t batch, std::size_t smaller, updating updates, std::size_t others) const {
    regions all;
    for (const std::size_t samples : {batch, smaller})
      if (samples > 0)
        all = all.with(
            regions_with_kernels(*program_, plan_of(training_, samples, updates, all, others, smaller), kernels_));
    return all;
  }

 private:
  void close_spaces() {
    kernels_.outside.spaces = std::make_shared<storage_spaces>(
        kernels_.outside.spaces == nullptr ? std::string() : kernels_.outside.spaces->directory());
  }

  /// `reserved`: of an arena that stays. `others`: what else the rank holds, where that is more than was said.
  plan plan_of(const kept_executors& all, std::size_t batch, updating updates, const regions& reserved,
               std::size_t others, std::size_t smaller) const {
    if (&all == &inference_) return plan_inference(*program_, batch);
    const rank_with_kernels rank = rank_of(updates, reserved, others, smaller);
    return plan_training(*program_, request_of(batch, updates, rank));
  }
  rank_with_kernels rank_of(updating updates, const regions& reserved, std::size_t others, std::size_t smaller) const {
    return {*program_, kernels_, reserved.with(kernels_of(smaller)), fixed_bytes(updates) + std::max(others, others_)};
  }
  plan_request request_of(std::size_t batch, updating updates, const rank_with_kernels& rank) const {
    plan_request request = terms_.request(batch, {}, updates);
    if (has_rank_budget_) request.rank = &rank;
    return request;
  }
  /// The kernels of the step's smaller micro-batches need their place, too.
  regions kernels_of(std::size_t smaller) const {
    if (!has_rank_budget_ || smaller == 0) return {};
    const plan_request request = terms_.request(smaller);
    const regions needed =
        regions_with_kernels(*program_, detail::training_planner(*program_, request).make(), kernels_);
    return {.packed = needed.packed, .scratch = needed.scratch};
  }
  /// Of values, states now and before the step, and gradients that outlive it.
  std::size_t fixed_bytes(updating updates) const {
    return parameters_->value_block().size() + 2 * parameters_->state_block().size() +
           (updates == updating::from_arena ? 0 : parameters_->gradient_memory().size_bytes());
  }
  /// The same for an arena in which other batch sizes were: where nothing fits in addition to them, they are given up.
  /// The micro-batches of one step are not.
  plan plan_to_run(const kept_executors& all, std::size_t batch, updating updates) {
    if (!has_rank_budget_ || arena_.reserved().total() == 0 || kernels_.microbatches > 1)
      return plan_of(all, batch, updates, arena_.reserved(), others_, smaller_);
    try {
      return plan_of(all, batch, updates, arena_.reserved(), others_, smaller_);
    } catch (const error&) {
      plan alone = plan_of(all, batch, updates, {}, others_, smaller_);
      release();
      return alone;
    }
  }

  /// Gives back what inference has made the arena larger by: a budget of the whole rank is one of steps.
  void forget_inference() {
    if (inference_.empty()) return;
    inference_.clear();
    regions wanted;
    for (const auto& each : training_) wanted = wanted.with(each->needed());
    arena_ = {};
    if (wanted.total() > 0) reserve(wanted);
    for (const auto& each : training_) arena_.bind(*each);
  }

  /// Whether the arena has moved. Where there is no memory for it, executors would point nowhere: the next step, at a
  /// batch that fits, makes its own again.
  bool reserve(const regions& wanted) {
    try {
      return arena_.reserve(wanted);
    } catch (const std::bad_alloc&) {
      clear();
      throw;
    }
  }

  executor& ready(kept_executors& all, std::size_t batch, bool accumulates, updating updates) {
    if (has_rank_budget_ && &all == &training_) forget_inference();
    if (executor* const known = all.find(batch, accumulates, updates)) return *known;
    kernel_options how = kernels_;
    how.accumulates = accumulates;
    if (&all == &inference_) how.microbatches = 1;
    executor& added =
        all.add(std::make_unique<executor>(*program_, plan_to_run(all, batch, updates), *parameters_, how));
    const bool moved = reserve(added.needed());
    all.forget_oldest(max_plans_, held_);
    if (moved) {
      held_ = nullptr;
      for (const kept_executors* each : {&training_, &inference_})
        for (const auto& e : *each) arena_.bind(*e);
    } else {
      arena_.bind(added);
    }
    return added;
  }

  plan_report report_of(const kept_executors& all, std::size_t batch) const {
    updating updates = updating::after_step;  // or, where plans depend on it, as the last step at this batch
    for (const auto& each : all)
      if (has_rank_budget_ && each->planned().batch == batch) updates = each->planned().updates;
    const plan made = plan_of(all, batch, updates, {}, others_, smaller_);
    plan_report r = report(*program_, made);
    if (r.is_training) {
      r.gradient_bytes = parameters_->gradient_memory().size_bytes();
      r.needs_gradient_block = may_fail(*program_);
      if (!r.needs_gradient_block)
        r.transient_gradient_bytes =
            made.updates == updating::from_arena ? made.gradient_bytes : transient_gradient_bytes(*program_, made);
      const rank_with_kernels rank = rank_of(made.updates, {}, others_, smaller_);
      r.certificate = certify(*program_, request_of(batch, made.updates, rank), made);
    }
    for (const auto& each : all)
      if (each->planned().batch == batch) {
        r.packed_bytes = each->needed().packed;
        r.scratch_bytes = each->needed().scratch;
        r.kept_packed_bytes = each->kernels().kept_bytes();
      }
    return r;
  }

  const program* program_;
  parameter_store* parameters_;
  std::size_t max_plans_;
  plan_terms terms_;
  kernel_options kernels_;
  bool has_rank_budget_;
  std::size_t others_ = 0, smaller_ = 0;
  arena arena_;
  kept_executors training_, inference_;
  executor* held_ = nullptr;
};

}  // namespace remat
