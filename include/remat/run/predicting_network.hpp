// SPDX-License-Identifier: MIT
/// A network that predicts: the forward pass, outputs, and what a metric makes of them. network.hpp trains it.
#pragma once

#include <remat/core/compilation.hpp>
#include <remat/core/parallel.hpp>
#include <remat/run/begin_metric.hpp>
#include <remat/run/evaluated_batch.hpp>
#include <remat/run/executor.hpp>
#include <remat/run/model_options.hpp>
#include <remat/run/network_checks.hpp>
#include <remat/run/network_results.hpp>
#include <remat/run/planned_network.hpp>
#include <remat/run/source.hpp>

#include <array>
#include <cstddef>
#include <memory>
#include <span>
#include <utility>

namespace remat {

inline namespace REMAT_COMPILATION {

class predicting_network : public planned_network {
 public:
  /// Outputs for one batch, images as (N, C, H, W): of a model with several outputs, the first; `output(i)` gives the
  /// others. Spans are valid until the next call.
  template <class... Tensors>
  std::span<const float> predict(const Tensors&... tensors) const {
    return predict_on(std::array<tensor_source, sizeof...(Tensors)>{source_of(tensors)...});
  }

  /// The same for tensors whose number is known at run time only.
  std::span<const float> predict_on(std::span<const tensor_source> sources) const {
    return run_forward(sources, lowered().inputs - lowered().targets, false);
  }

  /// Output i of the last `predict` or `forward`.
  std::span<const float> output(std::size_t i) const {
    held();
    return results_.output(i);
  }

  /// Runs `predict` on every batch of a range of (inputs..., targets) and returns what the metric makes of it.
  template <class Batches, class Metric>
  auto evaluate(Batches&& batches, Metric metric) const {
    const thread_scope scope = scope_of_call();
    detail::begin_metric(metric, *program_, detail::loss_tensors_in(held(), *program_));
    detail::for_each_batch(batches, [&](const auto& targets, const auto&... inputs) {
      metric.add(predict(inputs...), targets, output_shape());
    });
    return metric.value();
  }

  /// The batch that `sources` hold, the first `count` inputs of the program. Throws `error` where they disagree.
  std::size_t batch_of(std::span<const tensor_source> sources, int count) const {
    return remat::batch_of(lowered(), sources, count);
  }

 protected:
  predicting_network(program lowered, const model_options& options, std::shared_ptr<shared_values> values)
      : planned_network(std::move(lowered), options, std::move(values)) {}
  predicting_network(const predicting_network& other, cloned) : planned_network(other, cloned{}) {}
  predicting_network(predicting_network&&) noexcept = default;
  predicting_network& operator=(predicting_network&&) noexcept = default;  // not onto itself

  /// The forward pass, in inference or in training.
  std::span<const float> run_forward(std::span<const tensor_source> sources, int inputs, bool is_training) const;

  mutable network_results results_;
};

}  // namespace REMAT_COMPILATION

#if REMAT_HAS_DEFINITIONS

REMAT_DEFINED std::span<const float> predicting_network::run_forward(std::span<const tensor_source> sources, int inputs,
                                                                     bool is_training) const {
  const thread_scope scope = scope_of_call();
  require_float_outputs(*program_);
  executors_.hold_for_backward(nullptr);
  const std::size_t batch = batch_of(sources, inputs);
  executor& e = is_training ? executors_.training(batch) : executors_.inference(batch);
  results_.begin_outputs(*program_, batch, sources);
  held().keeping_states([&] { e.run({seed_, steps_}, sources, results_.places(), forward_section); });
  results_.finish_outputs();
  return output(0);
}

#endif

}  // namespace remat
