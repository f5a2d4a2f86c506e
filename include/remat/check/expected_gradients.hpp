// SPDX-License-Identifier: MIT
/// What the gradients of a step are, as sums in the order in which bits ask for: from the program alone.
///
/// The gradient of a tensor begins where it is given (the loss, an output, another stage) and has a contribution of
/// each operation that reads the tensor, the last one of the program first. A sum is a term,
/// `(what was there) + (what is added)`, so that two sums are one term only if they have the same bits.
#pragma once

#include <remat/model/program.hpp>
#include <remat/plan/slice.hpp>
#include <remat/plan/stage_port.hpp>

#include <map>
#include <tuple>
#include <vector>

namespace remat::detail {

/// What a buffer may hold, as a number: equal numbers are equal bits.
class value_terms {
 public:
  enum class kind { tensor, stored, leaving, arriving, given, contribution, through, converted, sum, of_parameter };

  int of(kind k, int a = core::none, int b = core::none) {
    return known_.try_emplace({k, a, b}, static_cast<int>(known_.size())).first->second;
  }
  int tensor(int t) { return of(kind::tensor, t); }

 private:
  std::map<std::tuple<kind, int, int>, int> known_;
};

/// Which gradients a step of the slice has to make, and from what.
class expected_gradients {
 public:
  using kind = value_terms::kind;
  /// A gradient that comes from another stage, where `given` counts outputs otherwise.
  static constexpr int received = -2;

  expected_gradients(const program& p, const slice& covered, const core::list<stage_port>& ports, value_terms& terms)
      : p_(p),
        covered_(covered),
        terms_(terms),
        inputs_(p.operations.size()),
        parameters_(p.operations.size()),
        leads_(p.tensors.size()),
        final_(p.tensors.size(), core::none),
        at_backward_(p.operations.size()) {
    find_needed();
    begin(ports);
    for (int i = covered.last; i-- > covered.first;) add(i);
  }

  /// Whether the gradients of an operation's inputs, and of its parameters, are needed.
  bool needs_inputs(int i) const { return inputs_[at(i)]; }
  bool needs_parameters(int i) const { return parameters_[at(i)]; }
  /// Whether a gradient of t leads to a parameter, or to an input whose gradient is asked for.
  bool is_wanted(int t) const { return leads_[at(t)]; }
  /// The gradient of output k of operation i as its backward pass reads it; `none`: there is none.
  int of_output(int i, int k) const { return at_backward_[at(i)].empty() ? core::none : at_backward_[at(i)][at(k)]; }
  /// The gradient of t when everything of this slice has contributed.
  int final_of(int t) const { return final_[at(t)]; }
  /// The outputs whose gradients are given, in order.
  const std::vector<int>& given() const { return given_; }

 private:
  static std::size_t at(int i) { return static_cast<std::size_t>(i); }

  void find_needed() {
    for (int t = 0; t < p_.inputs - p_.targets; ++t)
      leads_[at(t)] = p_.input_gradients && p_.tensors[t].type == element::float32;
    for (int i = 0; i < p_.operations.count(); ++i) {
      const operation& o = p_.operations[i];
      parameters_[at(i)] = o.trains();
      for (const int t : o.inputs) inputs_[at(i)] = inputs_[at(i)] || leads_[at(t)];
      for (const int t : o.outputs) leads_[at(t)] = inputs_[at(i)] || parameters_[at(i)];
    }
    std::vector<bool> is_reached(p_.tensors.size());
    if (p_.loss != core::none) is_reached[at(p_.loss)] = true;
    if (p_.loss == core::none)
      for (const int t : p_.outputs) is_reached[at(t)] = true;
    for (int i = p_.operations.count(); i-- > 0;) {
      const operation& o = p_.operations[i];
      bool is_used = false;
      for (const int t : o.outputs) is_used = is_used || is_reached[at(t)];
      if (!is_used) inputs_[at(i)] = parameters_[at(i)] = false;
      if (inputs_[at(i)])
        for (const int t : o.inputs) is_reached[at(t)] = is_reached[at(t)] || leads_[at(t)];
    }
    for (int i = 0; i < p_.operations.count(); ++i)
      for (const int t : p_.operations[i].outputs) leads_[at(t)] = inputs_[at(i)] || parameters_[at(i)];
  }

  void begin(const core::list<stage_port>& ports) {
    if (p_.loss != core::none && is_made_in(p_, covered_, p_.loss))
      final_[at(p_.loss)] = terms_.of(kind::given, p_.loss, 0);
    for (int k = 0; p_.loss == core::none && k < p_.outputs.size; ++k) {
      const int t = p_.outputs.values[k];
      if (!is_made_in(p_, covered_, t)) continue;
      add_to(t, terms_.of(kind::given, t, static_cast<int>(given_.size())));
      given_.push_back(t);
    }
    for (const stage_port& each : ports)
      if (each.is_gradient && each.receives() && final_[at(each.tensor)] == core::none)
        final_[at(each.tensor)] = terms_.of(kind::given, each.tensor, received);
  }

  void add_to(int t, int term) {
    int& sum = final_[at(t)];
    sum = sum == core::none ? term : terms_.of(kind::sum, sum, term);
  }
  void add(int i) {
    const operation& o = p_.operations[i];
    if (!needs_inputs(i) && !needs_parameters(i)) return;
    for (const int t : o.outputs) at_backward_[at(i)].push_back(final_[at(t)]);
    if (o.gradient_through != activation::none)
      at_backward_[at(i)][0] = terms_.of(kind::through, i, at_backward_[at(i)][0]);
    for (int k = 0; k < o.inputs.size; ++k) {
      const int t = o.inputs.values[k];
      if (!is_wanted(t)) continue;
      if (!o.is.passes_gradient) {
        if (needs_inputs(i)) add_to(t, terms_.of(kind::contribution, i, k));
        continue;
      }
      const int passed = at_backward_[at(i)][0];
      const bool is_converted =
          final_[at(t)] == core::none && p_.gradient_type(t) != p_.gradient_type(o.outputs.values[0]);
      add_to(t, is_converted ? terms_.of(kind::converted, passed) : passed);
    }
  }

  const program& p_;
  slice covered_;
  value_terms& terms_;
  std::vector<bool> inputs_, parameters_;  // of each operation: what is needed
  std::vector<bool> leads_;                // of each tensor
  std::vector<int> final_;                 // of each tensor; while operations are added, so far
  std::vector<std::vector<int>> at_backward_;
  std::vector<int> given_;
};

}  // namespace remat::detail
