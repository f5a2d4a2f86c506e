// SPDX-License-Identifier: MIT
/// The executors of a program: one for each batch size that it has met, in training and in inference, and the arena
/// that they share, which is that of the largest.
///
/// Meeting a new batch size allocates; whoever asks for it again gets the same executor. An executor is made for a number
/// of threads, that of the caller's `thread_scope`; on another number the same batch size is a new one.
#pragma once

#include <remat/plan/report.hpp>
#include <remat/run/arena.hpp>
#include <remat/run/executor.hpp>
#include <remat/run/network_checks.hpp>
#include <remat/run/parameters.hpp>

#include <cstddef>
#include <memory>
#include <new>
#include <utility>
#include <vector>

namespace remat {

class executors {
 public:
  /// Both must stay where they are.
  executors(const program& p, parameter_store& parameters) : program_(&p), parameters_(&parameters) {}

  /// The executor of a batch size, ready to run; one that accumulates serves the micro-batches behind the first.
  executor& training(std::size_t batch, bool accumulates = false) { return ready(training_, batch, accumulates); }
  executor& inference(std::size_t batch) { return ready(inference_, batch, false); }

  /// The executor that ran the forward pass alone, while the arena has what its backward pass needs; or null.
  executor* waiting() const { return waiting_; }
  void set_waiting(executor* e) { waiting_ = e; }

  /// They are made again when they are next needed. The arena stays.
  void clear() {
    waiting_ = nullptr;
    training_.clear();
    inference_.clear();
  }

  /// The plan for a batch, which need not have run; the bytes of packed weights and scratch are known if it has.
  plan_report training_report(std::size_t batch) const { return report_of(training_, batch); }
  plan_report inference_report(std::size_t batch) const { return report_of(inference_, batch); }

  const regions& reserved() const { return arena_.reserved(); }

 private:
  using known = std::vector<std::unique_ptr<executor>>;

  plan plan_of(const known& all, std::size_t batch) const {
    checked_batch(*program_, batch);
    return &all == &training_ ? plan_training(*program_, batch) : plan_inference(*program_, batch);
  }

  executor& ready(known& all, std::size_t batch, bool accumulates) {
    for (const auto& each : all)
      if (each->planned().batch == batch && each->accumulates() == accumulates &&
          each->threads() == primitive_threads())
        return *each;
    auto fresh = std::make_unique<executor>(*program_, plan_of(all, batch), *parameters_, accumulates);
    bool moved = false;
    try {
      moved = arena_.reserve(fresh->needed());
    } catch (const std::bad_alloc&) {
      // The arena is empty now, and executors point nowhere: the next step, at a batch that fits, makes its own again.
      clear();
      throw;
    }
    all.push_back(std::move(fresh));
    if (moved) {
      waiting_ = nullptr;
      for (const known* each : {&training_, &inference_})
        for (const auto& e : *each) arena_.bind(*e);
    } else {
      arena_.bind(*all.back());
    }
    return *all.back();
  }

  plan_report report_of(const known& all, std::size_t batch) const {
    plan_report r = report(*program_, plan_of(all, batch));
    for (const auto& each : all)
      if (each->planned().batch == batch) {
        r.packed_bytes = each->needed().packed;
        r.scratch_bytes = each->needed().scratch;
      }
    return r;
  }

  const program* program_;
  parameter_store* parameters_;
  arena arena_;
  known training_, inference_;
  executor* waiting_ = nullptr;
};

}  // namespace remat
