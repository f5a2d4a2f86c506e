// SPDX-License-Identifier: MIT
/// Ports: the tensors that a stage takes from other stages and gives to them.
///
/// A value goes straight from the stage that makes it to every stage that reads it, however far. Its gradient comes
/// back through its readers: the last of them sends what it has to the one before it, which adds its own contributions,
/// and so on down to the maker. So a gradient is summed in the order that one process sums it in, and no stage waits
/// for another that the pipeline would not make it wait for.
///
///     value of t      maker -> each reader
///     gradient of t   last reader -> ... -> first reader -> maker
///
/// The inputs of the program are read where they are needed, or enter at stage 0 and are sent on as values
/// (`program::inputs_enter_first`).
#pragma once

#include <remat/plan/backward_needs.hpp>
#include <remat/plan/slice.hpp>
#include <remat/plan/stage_port.hpp>

namespace remat {

namespace detail {

/// The operations that a pass runs: inference ends before the loss.
constexpr int end_of_pass(const program& p, bool is_training) {
  return is_training || p.loss == core::none ? p.operations.count() : p.producers[p.loss];
}

/// The stage that holds tensor t first, or `none` where every reader loads it for itself.
constexpr int maker_of(const program& p, int t) {
  if (p.producers[t] != core::none) return p.operations[p.producers[t]].stage;
  return p.inputs_enter_first && t < p.inputs ? 0 : core::none;
}

/// Whether backward makes a gradient of tensor t.
constexpr bool is_differentiated(const program& p, const core::list<backward_need>& needs, int t) {
  const int producer = p.producers[t];
  return producer == core::none ? t < p.inputs - p.targets && has_gradient(p, t) : needs[producer].any();
}

/// Adds the stages after `maker` to those that read each tensor, in order.
constexpr void add_reader(core::list<int>& readers, int stage) {
  if (readers.empty() || readers.back() != stage) readers.push_back(stage);
}

}  // namespace detail

/// The ports of a stage: values first, both in the order of their tensors.
constexpr core::list<stage_port> ports_of(const program& p, int stage, bool is_training) {
  core::list<core::list<int>> readers(p.tensors.size());
  for (int i = 0; i < detail::end_of_pass(p, is_training); ++i)
    for (int t : p.operations[i].inputs) detail::add_reader(readers[t], p.operations[i].stage);
  core::list<stage_port> found;
  for (int t = 0; t < p.tensors.count(); ++t) {
    const int maker = detail::maker_of(p, t);
    if (maker == core::none) continue;
    stage_port here{t, false};
    for (int reader : readers[t])
      if (reader != maker && maker == stage)
        here.to.push_back(reader);
      else if (reader != maker && reader == stage)
        here.from = maker;
    if (here.sends() || here.receives()) found.push_back(here);
  }
  if (!is_training) return found;

  const core::list<backward_need> needs = detail::backward_needs(p);
  for (core::list<int>& each : readers) each.clear();
  for (int i = 0; i < p.operations.count(); ++i)
    if (needs[i].input)
      for (int t : p.operations[i].inputs)
        if (detail::is_differentiated(p, needs, t)) detail::add_reader(readers[t], p.operations[i].stage);
  for (int t = 0; t < p.tensors.count(); ++t) {
    if (p.producers[t] == core::none) continue;
    int before = detail::maker_of(p, t);
    stage_port here{t, true};
    for (int reader : readers[t]) {
      if (reader == before) continue;
      if (before == stage) here.from = reader;
      if (reader == stage) here.to.push_back(before);
      before = reader;
    }
    if (here.sends() || here.receives()) found.push_back(here);
  }
  return found;
}

}  // namespace remat
