// SPDX-License-Identifier: MIT
/// Several metrics in one pass over the data:
///
///     const auto [first, five] = model.evaluate(batches, remat::metrics{remat::accuracy{}, remat::top_k<5>{}});
#pragma once

#include <remat/core/tensor.hpp>
#include <remat/run/begin_metric.hpp>

#include <cstddef>
#include <span>
#include <tuple>
#include <utility>

namespace remat {

namespace detail {

/// A metric that takes in what another one of its type has counted.
template <class Metric>
concept MergesOthers = requires(Metric mine, const Metric& other) {
  mine.merge(other);
};

}  // namespace detail

/// A metric whose value is a tuple of the values of others.
template <class... Metrics>
class metrics {
 public:
  explicit metrics(Metrics... each) : each_(std::move(each)...) {}

  /// Of those that ask for the model.
  void begin(const program& p, const detail::loss_tensors& tensors) requires(detail::AsksForModel<Metrics> || ...) {
    std::apply([&](Metrics&... metric) { (detail::begin_metric(metric, p, tensors), ...); }, each_);
  }
  template <class Targets>
  void add(std::span<const float> outputs, const Targets& targets, const tensor_shape& shape) {
    std::apply([&](Metrics&... metric) { (metric.add(outputs, targets, shape), ...); }, each_);
  }
  /// Takes in what others have counted, each of its own kind.
  void merge(const metrics& other) requires(detail::MergesOthers<Metrics>&&...) {
    merge_each(other, std::index_sequence_for<Metrics...>());
  }
  /// Calls f with each metric, in their order.
  template <class F>
  void for_each(const F& f) {
    std::apply([&](Metrics&... metric) { (f(metric), ...); }, each_);
  }
  std::tuple<decltype(std::declval<const Metrics&>().value())...> value() const {
    return std::apply([](const Metrics&... metric) { return std::tuple(metric.value()...); }, each_);
  }

 private:
  template <std::size_t... I>
  void merge_each(const metrics& other, std::index_sequence<I...>) {
    (std::get<I>(each_).merge(std::get<I>(other.each_)), ...);
  }

  std::tuple<Metrics...> each_;
};

}  // namespace remat
