// SPDX-License-Identifier: MIT
/// The pipelines of a rank, one for each size and number of micro-batches that was met, in one arena as large as the
/// largest needs: they run one after another.
#pragma once

#include <remat/core/parallel.hpp>
#include <remat/dist/pipeline.hpp>
#include <remat/dist/schedule.hpp>
#include <remat/run/arena.hpp>

#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

namespace remat {

class pipelines {
 public:
  /// The setup of any pipeline of the model is `model` but for its micro-batches and whether it trains: `model` says
  /// whether any does. Kernels are made for `threads` threads.
  pipelines(pipeline_setup model, int threads) : model_(std::move(model)), threads_(threads) {}

  /// Of a training step in the model's micro-batches, of so many samples; the first `larger` ones have one more.
  pipeline& training(std::size_t microbatch, int larger = 0) {
    if (larger == model_.table.microbatches) return training(microbatch + 1);
    return find_or_make(microbatch, larger, model_.table.microbatches, true);
  }
  /// Of a prediction in so many micro-batches.
  pipeline& inference(std::size_t microbatch, std::size_t count) {
    return find_or_make(microbatch, 0, static_cast<int>(count), false);
  }
  /// A pipeline in the model's micro-batches that has no memory, to be looked at.
  pipeline planned(std::size_t microbatch) const {
    return pipeline(setup(microbatch, 0, model_.table.microbatches, model_.is_training));
  }

  const regions& reserved() const { return arena_.reserved(); }
  /// Gives a pipeline its place in the arena (back).
  void bind(pipeline& line) {
    const regions& r = arena_.reserved();
    line.bind(arena_.data(), arena_.data() + r.activations, arena_.data() + r.activations + r.packed);
  }

 private:
  pipeline_setup setup(std::size_t microbatch, int larger, int count, bool is_training) const {
    pipeline_setup made = model_;
    if (!is_training) made.table = forward_only_like(model_.table, count);
    made.microbatch = microbatch;
    made.larger = larger;
    made.is_training = is_training;
    return made;
  }
  pipeline& find_or_make(std::size_t microbatch, int larger, int count, bool is_training) {
    for (const auto& each : made_)
      if (each->microbatch() == microbatch && each->larger() == larger && each->is_training() == is_training &&
          each->table().microbatches == count)
        return *each;
    const thread_scope scope(threads_);
    made_.push_back(std::make_unique<pipeline>(setup(microbatch, larger, count, is_training)));
    if (arena_.reserve(made_.back()->needed()))
      for (const auto& each : made_) bind(*each);
    else
      bind(*made_.back());
    return *made_.back();
  }

  pipeline_setup model_;
  int threads_;
  arena arena_;
  std::vector<std::unique_ptr<pipeline>> made_;
};

}  // namespace remat
