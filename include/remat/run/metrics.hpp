// SPDX-License-Identifier: MIT
/// Several metrics in one pass over the data:
///
///     const auto [first, five] = model.evaluate(batches, remat::metrics{remat::accuracy{}, remat::top_k<5>{}});
#pragma once

#include <remat/core/tensor.hpp>
#include <remat/run/mean_loss.hpp>

#include <span>
#include <tuple>
#include <utility>

namespace remat {

/// A metric whose value is a tuple of the values of others.
template <class... Metrics>
class metrics {
 public:
  explicit metrics(Metrics... each) : each_(std::move(each)...) {}

  /// Of those that ask for the model.
  void begin(const program& p, parameter_store& store, bool holds_all) {
    std::apply([&](Metrics&... metric) { (detail::begin_metric(metric, p, store, holds_all), ...); }, each_);
  }
  template <class Targets>
  void add(std::span<const float> outputs, const Targets& targets, const tensor_shape& shape) {
    std::apply([&](Metrics&... metric) { (metric.add(outputs, targets, shape), ...); }, each_);
  }
  std::tuple<decltype(std::declval<const Metrics&>().value())...> value() const {
    return std::apply([](const Metrics&... metric) { return std::tuple(metric.value()...); }, each_);
  }

 private:
  std::tuple<Metrics...> each_;
};

}  // namespace remat
