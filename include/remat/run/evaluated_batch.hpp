// SPDX-License-Identifier: MIT
/// A batch of a data set, as `evaluate` takes it: inputs, then the targets of one metric.
#pragma once

#include <remat/core/language.hpp>

#include <cstddef>
#include <ranges>
#include <tuple>
#include <utility>

namespace remat::detail {

/// Calls f(targets, inputs...). A batch is tuple-like, with any number of inputs before its targets, or a struct of
/// inputs and targets.
template <class Batch, class F>
void with_batch_parts(const Batch& batch, F&& f) {
  if constexpr (requires { std::tuple_size<Batch>::value; }) {
    constexpr std::size_t inputs = std::tuple_size<Batch>::value - 1;
    static_assert(inputs > 0, "remat: a batch for evaluate holds inputs and, last, targets; give it a tuple of both");
    [&]<std::size_t... I>(std::index_sequence<I...>) {
      using std::get;
      f(get<inputs>(batch), get<I>(batch)...);
    }
    (std::make_index_sequence<inputs>{});
  } else {
    const auto& [inputs, targets] = batch;
    f(targets, inputs);
  }
}

/// Calls f(targets, inputs...) for each batch of a range.
template <class Batches, class F>
void for_each_batch(Batches&& batches, const F& f) {
  constexpr bool has_batches = requires {
    batches.begin();
    batches.end();
  } || std::ranges::range<Batches>;
  static_assert(has_batches, "remat: evaluate takes the batches of a data set, data.batches(64), or a range of tuples");
  if constexpr (has_batches)
    for (auto&& batch : batches) with_batch_parts(batch, f);
}

}  // namespace remat::detail
