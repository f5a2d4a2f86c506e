// SPDX-License-Identifier: MIT
/// The pipelines of a rank, one for each size and number of micro-batches that was met of late, in one arena as large
/// as the largest that was met needs: they run one after another. Those that were not used for the longest time are
/// forgotten, in the same order on all ranks, since these make the same calls.
#pragma once

#include <remat/core/parallel.hpp>
#include <remat/distributed/pipeline.hpp>
#include <remat/plan/budget_bytes.hpp>
#include <remat/run/arena.hpp>
#include <remat/schedule/schedule.hpp>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

namespace remat {

class pipeline_cache {
 public:
  /// The setup of any pipeline of the model is `model` but for its micro-batches and whether it trains: `model` says
  /// whether any does. Kernels are made for `threads` threads. `max_plans` pipelines are kept to train, and as many to
  /// predict.
  pipeline_cache(pipeline_setup model, int threads, std::size_t max_plans)
      : model_(std::move(model)), threads_(threads), max_plans_(max_plans) {}

  /// Of a training step in the model's micro-batches, of `microbatch` samples; the first `larger` ones have one more.
  /// One that `updates` does that with parameters whose gradients are final.
  pipeline& training(std::size_t microbatch, int larger = 0, bool updates = false) {
    if (larger == model_.table.microbatches) return training(microbatch + 1, 0, updates);
    return find_or_make(microbatch, larger, model_.table.microbatches, true, updates);
  }
  /// Of a prediction in `count` micro-batches.
  pipeline& inference(std::size_t microbatch, std::size_t count) {
    return find_or_make(microbatch, 0, static_cast<int>(count), false, false);
  }
  /// A pipeline in the model's micro-batches that has no memory, to be looked at.
  pipeline planned(std::size_t microbatch) const {
    return pipeline(setup(microbatch, 0, model_.table.microbatches, model_.is_training));
  }

  /// Says how much the rank holds that its program does not say: a budget of the whole counts it. The most that was
  /// said counts; what was planned with less is planned again.
  void leave_room(std::size_t others) {
    if (others <= others_) return;
    others_ = others;
    if (has_rank_budget(*model_.checkpointed)) release();
  }

  /// This one is not forgotten, until another takes its place.
  void keep(const pipeline& line) { kept_ = &line; }
  /// Throws `error` where none has been kept since the cache gave all up.
  const pipeline& kept() const {
    if (kept_ == nullptr) throw error("no step has run yet, so no pipeline is there to look at");
    return *kept_;
  }

  const regions& reserved() const { return arena_.reserved(); }
  /// What budgets of the whole rank know of it, for micro-batches of one size.
  arena_with_kernels arena_of_steps() const { return setup(1, 0, model_.table.microbatches, true).arena(); }
  /// Gives a pipeline its place in the arena (back).
  void bind(pipeline& line) { line.bind(arena_.data(), arena_.kernels()); }

 private:
  pipeline_setup setup(std::size_t microbatch, int larger, int count, bool is_training, bool updates = false) const {
    pipeline_setup made = model_;
    made.updates = updates;
    if (!is_training) made.table = forward_only_like(model_.table, count);
    made.microbatch = microbatch;
    made.larger = larger;
    made.is_training = is_training;
    made.other_bytes += std::min(others_, detail::most_bytes);
    return made;
  }
  /// Gives back what predictions have made the arena larger by: a budget of the whole rank is one of steps.
  void forget_predictions() {
    if (std::erase_if(made_, [&](const auto& each) { return !each->is_training() && each.get() != kept_; }) == 0)
      return;
    regions wanted;
    for (const auto& each : made_) wanted = wanted.with(each->needed());
    arena_ = {};
    if (wanted.total() > 0) arena_.reserve(wanted);
    for (const auto& each : made_) bind(*each);
  }
  pipeline& find_or_make(std::size_t microbatch, int larger, int count, bool is_training, bool updates) {
    if (is_training && has_rank_budget(*model_.checkpointed)) forget_predictions();
    for (auto at = made_.begin(); at != made_.end(); ++at)
      if ((*at)->microbatch() == microbatch && (*at)->larger() == larger && (*at)->is_training() == is_training &&
          (*at)->updates() == updates && (*at)->table().microbatches == count) {
        std::rotate(at, at + 1, made_.end());  // the last one is the one used last
        return *made_.back();
      }
    const thread_scope scope(threads_);
    made_.push_back(make(setup(microbatch, larger, count, is_training, updates)));
    try {
      if (arena_.reserve(made_.back()->needed()))
        for (const auto& each : made_) bind(*each);
      else
        bind(*made_.back());
    } catch (const error&) {  // a tensor is too large for a message
      made_.pop_back();
      throw;
    }
    forget_oldest(is_training);
    return *made_.back();
  }
  /// A budget of the whole rank counts the arena in which other sizes of micro-batches were: where nothing fits in
  /// addition to them, they are given up.
  std::unique_ptr<pipeline> make(pipeline_setup wanted) {
    if (wanted.is_training && has_rank_budget(*model_.checkpointed) && arena_.reserved().total() > 0) {
      pipeline_setup next_to_others = wanted;
      next_to_others.reserved = arena_.reserved();
      try {
        return std::make_unique<pipeline>(std::move(next_to_others));
      } catch (const error&) {
        auto alone = std::make_unique<pipeline>(std::move(wanted));
        release();
        return alone;
      }
    }
    return std::make_unique<pipeline>(std::move(wanted));
  }
  void forget_oldest(bool is_training) {
    const auto is_alike = [&](const auto& each) { return each->is_training() == is_training; };
    while (std::cmp_greater(std::ranges::count_if(made_, is_alike), max_plans_)) {
      const auto oldest = std::ranges::find_if(
          made_, [&](const auto& each) { return is_alike(each) && each.get() != kept_ && each != made_.back(); });
      if (oldest == made_.end()) return;
      made_.erase(oldest);
    }
  }

  void release() {
    kept_ = nullptr;
    made_.clear();
    arena_ = {};
  }

  pipeline_setup model_;
  std::size_t others_ = 0;
  int threads_;
  std::size_t max_plans_;
  const pipeline* kept_ = nullptr;
  arena arena_;
  std::vector<std::unique_ptr<pipeline>> made_;
};

}  // namespace remat
