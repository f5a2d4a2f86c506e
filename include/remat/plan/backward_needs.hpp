// SPDX-License-Identifier: MIT
/// Which halves of backward each operation runs, and what they read.
#pragma once

#include <remat/core/activation.hpp>
#include <remat/core/list.hpp>
#include <remat/model/program.hpp>

namespace remat {

/// What the backward pass of an operation runs.
struct backward_need {
  bool input = false, parameters = false;

  constexpr bool any() const { return input || parameters; }
};

namespace detail {

/// Whether tensor t, an input of the program, has a gradient.
constexpr bool has_gradient(const program& p, int t) {
  return p.input_gradients && p.tensors[t].type == element::float32;
}

/// Per operation, the halves of backward that lead to a parameter, or to an input whose gradient is asked for.
constexpr core::list<backward_need> backward_needs(const program& p) {
  core::list<backward_need> needs(p.operations.size());
  core::list<int> wanted(p.tensors.size());   // tensors whose gradient leads to a parameter
  core::list<int> reached(p.tensors.size());  // tensors that the loss, or an output's gradient, reaches
  for (int t = 0; t < p.inputs - p.targets; ++t)
    if (has_gradient(p, t)) wanted[t] = 1;
  const operation* const operations = p.operations.data();
  backward_need* const need = needs.data();
  int *const is_wanted = wanted.data(), *const is_reached = reached.data();
  for (int i = 0, count = p.operations.count(); i < count; ++i) {
    const operation& o = operations[i];
    need[i].parameters = o.trains();
    for (int k = 0; k < o.inputs.size; ++k) need[i].input |= is_wanted[o.inputs.values[k]] != 0;
    if (need[i].input || need[i].parameters)
      for (int k = 0; k < o.outputs.size; ++k) is_wanted[o.outputs.values[k]] = 1;
  }
  if (p.loss != core::none) {
    reached[p.loss] = 1;
  } else {
    for (int t : p.outputs) reached[t] = 1;
  }
  for (int i = p.operations.count(); i-- > 0;) {
    const operation& o = operations[i];
    bool used = false;
    for (int k = 0; k < o.outputs.size; ++k) used |= is_reached[o.outputs.values[k]] != 0;
    if (!used) need[i] = {};
    if (need[i].input)
      for (int k = 0; k < o.inputs.size; ++k) is_reached[o.inputs.values[k]] = is_wanted[o.inputs.values[k]];
  }
  return needs;
}

/// Calls f(tensor) for everything that the backward pass of operation `o` reads, gradients aside.
template <class F>
constexpr void each_read(const operation& o, backward_need need, const F& f) {
  if (!need.any()) return;
  reads r = reads::nothing;
  if (need.input) r = r | o.backward_input_reads;
  if (need.parameters) r = r | o.backward_parameters_reads;
  if (o.gradient_through != activation::none) r = r | reads::outputs;
  if (r.input_bits != 0)
    for (int k = 0; k < o.inputs.size; ++k)
      if (r.input_bits >> k & 1) f(o.inputs.values[k]);
  if (r.output_bits != 0)
    for (int k = 0; k < o.outputs.size; ++k)
      if (r.output_bits >> k & 1) f(o.outputs.values[k]);
  if (r.saved_bits != 0)
    for (int k = 0; k < o.saved.size; ++k)
      if (r.saved_bits >> k & 1) f(o.saved.values[k]);
}

}  // namespace detail
}  // namespace remat
