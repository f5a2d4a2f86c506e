// SPDX-License-Identifier: MIT
/// A metric before the first batch of an evaluation.
#pragma once

#include <remat/core/kernel_call.hpp>
#include <remat/model/program.hpp>
#include <remat/run/parameter_store.hpp>

namespace remat::detail {

/// The parameters and states of the operation that gives a program's loss.
struct loss_tensors {
  value_spans parameters = {}, states = {};
};
/// Where all of them are in one store.
inline loss_tensors loss_tensors_in(parameter_store& store, const program& p) {
  if (p.loss == core::none) return {};
  const operation& loss = p.operations[p.producers[p.loss]];
  return {store.values(loss.first_parameter, loss.parameters), store.states(loss.first_state, loss.states)};
}

/// A metric that asks for the model that is evaluated.
template <class Metric>
concept AsksForModel = requires(Metric& metric, const program& p, const loss_tensors& tensors) {
  metric.begin(p, tensors);
};

/// Lets a metric, or those of several, know the model that is evaluated, where they ask for it.
template <class Metric>
void begin_metric(Metric& metric, const program& p, const loss_tensors& tensors) {
  if constexpr (AsksForModel<Metric>) metric.begin(p, tensors);
}

}  // namespace remat::detail
