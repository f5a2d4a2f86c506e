// SPDX-License-Identifier: MIT
/// A metric before the first batch of an evaluation.
#pragma once

#include <remat/model/program.hpp>
#include <remat/run/parameter_store.hpp>

namespace remat::detail {

/// Lets a metric, or those of several, know the model that is evaluated, where they ask for it.
template <class Metric>
void begin_metric(Metric& metric, const program& p, parameter_store& store, bool holds_all) {
  if constexpr (requires { metric.begin(p, store, holds_all); }) metric.begin(p, store, holds_all);
}

}  // namespace remat::detail
