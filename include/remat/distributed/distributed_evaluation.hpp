// SPDX-License-Identifier: MIT
/// An evaluation on ranks: what a metric makes of all batches, on every rank.
///
/// Where all ranks are given the same batches, the value of the first stage's rank is everyone's. Where replicas bring
/// batches of their own, each counts its own, and then metrics that can be are merged over the replicas, in their
/// order, so that all ranks have the same bits: accuracy, top_k, mean_squared_error, mean_loss, and each of `metrics`.
/// A metric of a user's own needs
///
///     void merge(const my_metric& other);       // takes in what another one has counted
///
/// and is sent as it is in memory; one that holds more than plain numbers gives those by one more function,
///
///     my_totals& so_far();                      // which are sent; they have merge(other), too
///
/// The value of a metric that has no `merge` is that of the replica.
#pragma once

#include <remat/core/tensor.hpp>
#include <remat/distributed/call_agreement.hpp>
#include <remat/distributed/collective_error.hpp>
#include <remat/distributed/distributed_blueprint.hpp>
#include <remat/distributed/model_ranks.hpp>
#include <remat/train/metrics.hpp>

#include <cstddef>
#include <exception>
#include <span>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace remat {
namespace detail {

/// Calls f for each number of a metric's value: itself, or those of a tuple, which `metrics` gives.
template <class Value, class F>
void each_number(Value& value, const F& f) {
  if constexpr (requires { std::tuple_size<Value>::value; }) {
    std::apply([&](auto&... each) { (each_number(each, f), ...); }, value);
  } else {
    static_assert(std::is_trivially_copyable_v<Value>, "remat: a metric's value is a number, or a tuple of numbers");
    f(value);
  }
}

/// Calls f for each metric: itself, or those that `metrics` is made of.
template <class Metric, class F>
void each_metric(Metric& metric, const F& f) {
  if constexpr (requires { metric.for_each(f); })
    metric.for_each([&](auto& each) { each_metric(each, f); });
  else
    f(metric);
}

/// What replicas send to each other of a metric.
template <class Metric>
auto& sent_of(Metric& metric) {
  if constexpr (requires { metric.so_far(); })
    return metric.so_far();
  else
    return metric;
}

/// A metric, or what is sent of it, that replicas can put together.
template <class Sent>
concept MergeableMetric = std::is_trivially_copyable_v<Sent> && MergesOthers<Sent>;

}  // namespace detail

/// Of one call of `evaluate`.
template <class Metric>
class distributed_evaluation {
 public:
  /// The first three must outlive it.
  distributed_evaluation(const distributed_blueprint& blueprint, const model_ranks& ranks, const call_agreement& calls,
                         Metric metric)
      : blueprint_(&blueprint), ranks_(&ranks), calls_(&calls), metric_(std::move(metric)) {}

  /// What a metric refuses on one rank is thrown at the end, on all of them.
  template <class Targets>
  void add(std::span<const float> outputs, const Targets& targets) {
    const program& p = blueprint_->checkpointed;
    if (!blueprint_->has_data() || !complaint_.empty()) return;
    try {
      metric_.add(outputs, targets, p.tensors[p.outputs[0]]);
    } catch (const std::exception& refused) {
      complaint_ = refused.what();
    }
  }

  /// Collective.
  auto value() {
    calls_->meet(call_kind::evaluation);
    all().require_none(complaint_);
    const bool is_its_own = blueprint_->replicas_have_their_own;
    if (is_its_own) detail::each_metric(metric_, [&](auto& each) { merge_over_replicas(detail::sent_of(each)); });
    const mpi::communicator& readers = is_its_own ? ranks_->pipeline : ranks_->world;
    const int first_stage = blueprint_->rank_of(0);
    const int teller = is_its_own ? first_stage : blueprint_->grid.rank(first_stage, 0);
    // Of who has seen the data; others may have nothing to take the mean of.
    std::decay_t<decltype(metric_.value())> value{};
    try {
      if (readers.rank() == teller) value = metric_.value();
    } catch (const std::exception& refused) {
      complaint_ = refused.what();
    }
    all().require_none(complaint_);
    detail::each_number(value, [&](auto& number) {
      all().wait(readers.broadcast(std::as_writable_bytes(std::span(&number, 1)), teller));
    });
    return value;
  }

 private:
  const agreement& all() const { return calls_->all(); }

  template <class Sent>
  void merge_over_replicas(Sent& mine) const {
    if constexpr (detail::MergeableMetric<Sent>) {
      std::vector<Sent> each(static_cast<std::size_t>(blueprint_->grid.replicas()), mine);
      all().wait(ranks_->replicas.gather(std::as_bytes(std::span(&mine, 1)), std::as_writable_bytes(std::span(each))));
      mine = each.front();
      for (std::size_t r = 1; r < each.size(); ++r) mine.merge(each[r]);
    } else if constexpr (detail::MergesOthers<Sent>) {
      throw collective_error(
          "what replicas send to each other of a metric is plain numbers, and this one with `merge` holds more; give it "
          "a function `so_far()`, which returns those of it that are merged");
    }
  }

  const distributed_blueprint* blueprint_;
  const model_ranks* ranks_;
  const call_agreement* calls_;
  Metric metric_;
  std::string complaint_;
};

}  // namespace remat
